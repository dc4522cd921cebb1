import type { Definition } from '../../src/definitions/definition.js';
import { Definitions } from '../../src/definitions/definitions.js';
import type { FeedItem, HistoryItem, JobChangeView } from '../../src/sync/changes/change.dto.js';
import type { JobView } from '../../src/sync/jobs/job-view.js';
import type { RecordErrorView } from '../../src/sync/jobs/record-error-log.js';
import { MirrorTables } from '../../src/sync/tables/mirror-table.js';
import type { TestServer } from '../setup/test-server.js';
import { type SampleRecord, Samples } from './samples.js';
import { Sender } from './sender.js';

/** A row as it is stored, with the id of the transaction that wrote it last. */
export interface StoredRow {
  externalId: string;
  id: number;
  fields: Record<string, string | null>;
  created: Date;
  updated: Date;
  deletedAt: Date | null;
  writtenBy: string;
}

/** The mirror of one resource of a new source: what its sender does, what callers see, and what the table holds. */
export class MirrorUnderTest {
  readonly samples: Samples;
  private readonly sender: Sender;
  private readonly table: string;
  /** Column and type of each field of a record. */
  private readonly columns: { field: string; column: string; type: string }[];

  private constructor(
    private readonly server: TestServer,
    readonly definition: Definition,
  ) {
    this.samples = new Samples(definition);
    this.sender = new Sender(server);
    const mirror = server.app.get(MirrorTables).of(definition.name);
    this.table = mirror.table;
    const externalId = { field: 'externalId', column: 'external_id', type: 'text' };
    this.columns = [
      externalId,
      ...mirror.columns.map(({ field, column, type }) => ({ field, column, type: type.sql })),
    ];
  }

  /** A new source, in which the parents of the examples are mirrored. */
  static async create(server: TestServer, definition: Definition): Promise<MirrorUnderTest> {
    const mirror = new MirrorUnderTest(server, definition);
    await mirror.mirrorParents(definition);
    return mirror;
  }

  get source(): string {
    return this.sender.source;
  }

  send(records: unknown, query = ''): Promise<JobView> {
    return this.sender.mirror(this.definition.name, records, query);
  }

  submit(records: unknown, query = ''): Promise<JobView> {
    return this.sender.submit(this.definition.name, records, query);
  }

  finished(job: JobView): Promise<JobView> {
    return this.sender.finished(job);
  }

  job(job: JobView): Promise<JobView> {
    return this.sender.job(job);
  }

  decide(job: JobView, decision: 'approve' | 'reject' | 'cancel'): Promise<JobView> {
    return this.sender.decide(job, decision);
  }

  fetch(path: string, init: RequestInit = {}): Promise<Response> {
    return this.server.fetch(path, { ...init, headers: { 'X-Source': this.source, ...init.headers } });
  }

  tryRevert(job: JobView, query = ''): Promise<Response> {
    return this.fetch(`/sync/jobs/${job.id}/revert?${query}`, { method: 'POST' });
  }

  /** Reverts a job, and waits until the new job rests. */
  async revert(job: JobView, query = ''): Promise<JobView> {
    const response = await this.tryRevert(job, query);
    if (response.status !== 202) throw new Error(`not reverted: ${response.status}`);
    return this.finished((await response.json()) as JobView);
  }

  errors(job: JobView): Promise<RecordErrorView[]> {
    return this.sender.errors(job);
  }

  /** The changes of a job, by external id. */
  async changes(job: JobView): Promise<JobChangeView[]> {
    const { items } = await this.sender.get<{ items: JobChangeView[] }>(`/sync/jobs/${job.id}/changes?limit=1000`);
    return items.toSorted((one, other) => (one.externalId < other.externalId ? -1 : 1));
  }

  /** What a job would change, in the order of the list. */
  async plan(job: JobView): Promise<JobChangeView[]> {
    return (await this.sender.get<{ items: JobChangeView[] }>(`/sync/jobs/${job.id}/plan?limit=1000`)).items;
  }

  /** The history of the row with the nth key, newest first; null if there never was one. */
  async history(n: number): Promise<HistoryItem[] | null> {
    const path = `/${this.definition.name}/${encodeURIComponent(this.samples.key(n))}/history`;
    const response = await this.server.fetch(path, { headers: { 'X-Source': this.source } });
    return response.status === 404 ? null : ((await response.json()) as { items: HistoryItem[] }).items;
  }

  /** The feed's items of this resource. */
  async feed(): Promise<FeedItem[]> {
    const path = `/changes?resource=${this.definition.name}&limit=1000`;
    return (await this.sender.get<{ items: FeedItem[] }>(path)).items;
  }

  jobs(): Promise<JobView[]> {
    return this.sender.jobs();
  }

  /** The external ids in the list of the API, or of the live rows if the resource has no list. */
  async listed(): Promise<string[]> {
    const { paths } = await this.server.get<{ paths: Record<string, object> }>('/openapi.json');
    const hasList = 'get' in (paths[`/${this.definition.name}`] ?? {});
    const items = hasList ? await this.sender.list<{ externalId: string }>(this.definition.name) : await this.live();
    return items.map(({ externalId }) => externalId);
  }

  /** Rows that are not deleted, by external id. */
  async live(): Promise<StoredRow[]> {
    return (await this.rows()).filter(({ deletedAt }) => deletedAt === null);
  }

  /** Every row, by external id. */
  async rows(): Promise<StoredRow[]> {
    const fields = this.columns.map(({ field, column }) => `'${field}', t.${column}::text`).join(', ');
    return this.server.query<StoredRow>(
      `select t.external_id as "externalId", t.id::int as id, json_build_object(${fields}) as fields,
              t.created, t.updated, t.deleted_at as "deletedAt", t.xmin::text as "writtenBy"
         from ${this.table} t join source on source.id = t.source_id
        where source.name = $1 order by t.external_id`,
      [this.source],
    );
  }

  async row(n: number): Promise<StoredRow> {
    const row = (await this.rows()).find(({ externalId }) => externalId === this.samples.key(n));
    if (!row) throw new Error(`there is no row ${this.samples.key(n)}`);
    return row;
  }

  /** Live values by external id, to be compared with `valuesOf`. */
  async values(): Promise<Record<string, string | null>[]> {
    return (await this.live()).map(({ fields }) => fields);
  }

  /** Records as PostgreSQL writes what is stored of them, by external id. */
  async valuesOf(records: SampleRecord[]): Promise<Record<string, string | null>[]> {
    const parsed = records.map((record) => this.samples.parsed(record));
    const texts = this.columns.map(({ field, type }) => `'${field}', ((v->>'${field}')::${type})::text`).join(', ');
    const rows = await this.server.query<{ fields: Record<string, string | null> }>(
      `select json_build_object(${texts}) as fields from json_array_elements($1) v
        order by v->>'externalId' collate "C"`,
      [JSON.stringify(parsed)],
    );
    return rows.map(({ fields }) => fields);
  }

  /**
   * Makes later jobs of the source wait for a job that is over, as if a worker still worked on it.
   * @returns SQL that ends this: sent with other statements, it takes effect at the same moment as they
   */
  async holdLine(job: JobView): Promise<string> {
    await this.server.query(
      `with busy as (update sync_job set status = 'staging' where id = $1 returning id, fence)
       insert into job_heartbeat (job_id, fence, instance, beat_at)
       select id, fence, 'nobody', clock_timestamp() + interval '1 hour' from busy
           on conflict (job_id) do update set beat_at = excluded.beat_at`,
      [job.id],
    );
    return `update sync_job set status = '${job.status}' where id = '${job.id}';`;
  }

  /** Ids of the source's jobs of this resource, in the order in which they were accepted. */
  async accepted(): Promise<{ id: string; status: string; appliedAt: Date | null }[]> {
    return this.server.query(
      `select job.id, job.status, job.applied_at as "appliedAt"
         from sync_job job join source on source.id = job.source_id
        where source.name = $1 and resource = $2 order by seq`,
      [this.source, this.definition.name],
    );
  }

  query<T extends object = any>(sql: string, values: unknown[] = []): Promise<T[]> {
    return this.server.query(sql, values);
  }

  private async mirrorParents({ parents }: Definition): Promise<void> {
    const { all } = this.server.app.get(Definitions);
    for (const { resource, by } of parents) {
      const named = this.samples.record(0)[by];
      const definition = all.find(({ name }) => name === resource);
      if (!definition) throw new Error(`no resource holds the parents of ${this.definition.name}`);
      if (typeof named !== 'string' || definition === this.definition) continue;
      await this.mirrorParents(definition);
      await this.sender.mirror(resource, [{ ...definition.example, ...keyFields(definition, named) }]);
    }
  }
}

/** The fields of a record's key, of an external id without characters that are escaped. */
function keyFields({ key }: Definition, externalId: string): SampleRecord {
  const values = key.length === 1 ? [externalId] : externalId.split('|');
  return Object.fromEntries(key.map((field, place) => [field, values[place]]));
}
