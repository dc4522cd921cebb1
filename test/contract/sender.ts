import { randomBytes } from 'node:crypto';
import type { RecordErrorView } from '../../src/sync/jobs/record-error-log.js';
import type { JobView } from '../../src/sync/jobs/job-view.js';
import { type TestServer, until } from '../setup/test-server.js';

const UNDER_WAY: string[] = ['queued', 'staging', 'reconciling'];

/** One external system. Each has a source of its own, so that no test sees the rows of another. */
export class Sender {
  readonly source = `source-${randomBytes(6).toString('hex')}`;
  private readonly headers = { 'X-Source': this.source };

  constructor(readonly server: TestServer) {}

  /** Sends a snapshot and waits until its job rests. `query` is like `mode=partial&deletes=hold`. */
  async mirror(resource: string, records: unknown, query = ''): Promise<JobView> {
    return this.finished(await this.submit(resource, records, query));
  }

  /** Sends a snapshot and waits for nothing but its acceptance. */
  async submit(resource: string, records: unknown, query = ''): Promise<JobView> {
    const response = await this.server.submit(`/${resource}?${query}`, records, this.headers);
    const job = (await response.json()) as JobView;
    if (!response.ok) throw new Error(`not accepted: ${JSON.stringify(job)}`);
    return job;
  }

  /** The job once it rests. Polls more often than `Prefer: wait` would, as these tests wait for thousands of jobs. */
  async finished(job: Pick<JobView, 'id'>): Promise<JobView> {
    let now!: JobView;
    const isAtRest = async () => !UNDER_WAY.includes((now = await this.job(job)).status);
    await until(`the job ${job.id} rests`, isAtRest, 30_000);
    return now;
  }

  /** The job as it is now. */
  job(job: Pick<JobView, 'id'>): Promise<JobView> {
    return this.get(`/sync/jobs/${job.id}`);
  }

  /** Decides on a job, and waits until it rests. */
  async decide(job: Pick<JobView, 'id'>, decision: 'approve' | 'reject' | 'cancel'): Promise<JobView> {
    const response = await this.post(`/sync/jobs/${job.id}/${decision}`);
    const answer = (await response.json()) as JobView;
    if (!response.ok) throw new Error(`not possible: ${JSON.stringify(answer)}`);
    return this.finished(job);
  }

  /** All jobs of this source, newest first. */
  async jobs(): Promise<JobView[]> {
    return (await this.get<{ items: JobView[] }>('/sync/jobs?limit=1000')).items;
  }

  /** The errors of a job about single records. */
  async errors(job: Pick<JobView, 'id'>): Promise<RecordErrorView[]> {
    return (await this.get<{ items: RecordErrorView[] }>(`/sync/jobs/${job.id}/errors?limit=1000`)).items;
  }

  /** The first page of a resource's list. */
  async list<T = any>(resource: string, query = 'limit=1000'): Promise<T[]> {
    return (await this.get<{ items: T[] }>(`/${resource}?${query}`)).items;
  }

  get<T = any>(path: string, headers: Record<string, string> = {}): Promise<T> {
    return this.server.get<T>(path, { headers: { ...this.headers, ...headers } });
  }

  post(path: string, headers: Record<string, string> = {}): Promise<Response> {
    return this.server.fetch(path, { method: 'POST', headers: { ...this.headers, ...headers } });
  }
}
