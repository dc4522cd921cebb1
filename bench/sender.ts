import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { request } from 'node:http';

/** How a snapshot fared. */
export interface Load {
  jobId: string;
  /** Seconds until the 202, and until `completed`, both from the first byte of the request. */
  ack: number;
  total: number;
  counts: Record<string, number>;
}

/** Sends snapshots to a server and takes the time. */
export class Sender {
  constructor(private readonly url: string) {}

  /** Sends a file and waits for its job. `afterAck` runs between. */
  async load(path: string, file: string, afterAck?: (jobId: string) => Promise<void>): Promise<Load> {
    const start = performance.now();
    const accepted = await this.post(path, file);
    const ack = (performance.now() - start) / 1000;
    const watching = afterAck?.(accepted.id);
    let job = accepted;
    while (!['completed', 'failed', 'awaiting_approval'].includes(job.status)) {
      const response = await fetch(`${this.url}/sync/jobs/${accepted.id}`, { headers: { Prefer: 'wait=30' } });
      job = (await response.json()) as typeof accepted;
    }
    const total = (performance.now() - start) / 1000;
    await watching;
    if (job.status !== 'completed')
      throw new Error(`the job is ${job.status}: ${JSON.stringify(job.error ?? job.plan)}`);
    return { jobId: job.id, ack, total, counts: job.counts };
  }

  private async post(path: string, file: string): Promise<JobAnswer> {
    const { size } = await stat(file);
    const headers = { 'Content-Type': 'application/json', 'Content-Length': size };
    return new Promise((resolve, reject) => {
      const upload = request(`${this.url}${path}`, { method: 'POST', headers }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (part: string) => (text += part));
        response.on('end', () =>
          response.statusCode === 202 ? resolve(JSON.parse(text) as JobAnswer) : reject(new Error(text)),
        );
      });
      upload.on('error', reject);
      createReadStream(file, { highWaterMark: 256 * 1024 }).pipe(upload);
    });
  }
}

interface JobAnswer {
  id: string;
  status: string;
  error: unknown;
  plan: unknown;
  counts: Record<string, number>;
}
