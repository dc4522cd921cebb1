import { getQueueToken } from '@nestjs/bullmq';
import type { Queue } from 'bullmq';
import { randomBytes } from 'node:crypto';
import { join, resolve } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { Config } from '../../src/settings/config.js';
import { SYNC_QUEUES } from '../../src/sync/model/sync-queues.js';
import { Sender } from '../http/sender.js';
import { SERVER, ServerProcess } from '../setup/server-process.js';
import { type Account, accountOf } from './account.js';
import { type Backend, queueOn, REDIS_URL, startTestServer, type TestServer } from '../setup/test-server.js';

/** With room for young objects a process starts in four fifths of the CPU time, and hundreds are started here. */
const FLAGS = [
  '--min-semi-space-size=64',
  '--max-semi-space-size=64',
  '--import',
  join(import.meta.dirname, 'fault.mjs'),
];

/** Short, so that a test of a hundred deaths does not wait ten minutes for silence. */
const WORKER_SILENCE_MS = 500;

/** What happens to a process, see `fault.mjs`. */
export type Fault = Partial<
  Record<'FAULT_FROM' | 'FAULT_STATEMENT' | 'FAULT_TRACE' | 'FAULT_DIE_AT' | 'FAULT_PAUSE_AT', string>
>;

/** A database, an api in this process, and any number of processes that share them and may come to grief. */
export class Stage {
  private constructor(
    readonly api: TestServer,
    private readonly backend: Backend,
    private readonly settings: Record<string, string | undefined>,
  ) {}

  /** @param resources a folder of declared ones that all processes have */
  static async set(backend: Backend, resources?: string): Promise<Stage> {
    const QUEUE_PREFIX = `t${randomBytes(4).toString('hex')}`;
    const declared = resources === undefined ? {} : { RESOURCES_DIR: resolve(resources) };
    const api = await startTestServer({ backend, ROLE: 'api', QUEUE_PREFIX, ...declared });
    return new Stage(api, backend, {
      ...declared,
      QUEUE_PREFIX,
      DATABASE_URL: api.databaseUrl,
      REDIS_URL: backend === 'redis' ? REDIS_URL : undefined,
      WORKER_SILENCE_MS: String(WORKER_SILENCE_MS),
      WORKER_CONCURRENCY: '2',
      MAX_ATTEMPTS: '1000',
      // The api has seen to them.
      MIGRATIONS: 'skip',
    });
  }

  process(role: Config['ROLE'], fault: Fault = {}, settings = {}, main = SERVER): Promise<ServerProcess> {
    const env = {
      NODE_ENV: 'test',
      PORT: '0',
      LOG_LEVEL: 'silent',
      ROLE: role,
      ...this.settings,
      ...settings,
      ...fault,
    };
    return ServerProcess.start(env, { main, flags: FLAGS });
  }

  /** The queue that carries the notifications of its jobs. */
  get queue(): Queue {
    return this.api.app.get<Queue>(getQueueToken(SYNC_QUEUES[queueOn(this.backend)]));
  }

  sender(source?: string): Sender {
    return new Sender(this.api, source);
  }

  strike(): Promise<void> {
    return this.api.close();
  }

  /** All that is stored for a source but ids and times; for callers of the API as for those of SQL. */
  accountOf(source: string): Promise<Account> {
    return accountOf(this.api, source);
  }

  /** What is left for good: processes that live go their rounds, and hold a lock for as long as one takes. */
  async leftForGood(): Promise<Record<string, number>> {
    const deadline = Date.now() + 25_000;
    for (;;) {
      const left = await this.leftovers();
      if (Object.values(left).every((count) => count === 0) || Date.now() > deadline) return left;
      await setTimeout(50);
    }
  }

  /** What should not be there once all jobs rest: it takes up room, or lets something happen twice. */
  async leftovers(): Promise<Record<string, number>> {
    const [left] = await this.api.query(`
      select (select count(*)::int from pg_tables where schemaname = 'staging') as "staging tables",
             (select count(*)::int from snapshot s where not exists (select 1 from sync_job j where j.snapshot_id = s.id)) as "snapshots without a job",
             (select count(*)::int from snapshot s where complete
                 and chunks <> (select count(*) from snapshot_chunk c where c.snapshot_id = s.id)) as "incomplete snapshots",
             (select count(*)::int from pg_ls_tmpdir() file where not exists (
                -- Other tests have other databases of the same server.
                select 1 from pg_stat_activity a where a.datname is distinct from current_database()
                   and file.name like 'pgsql_tmp' || a.pid || '.%')) as "temporary files",
             (select count(*)::int from pg_locks where locktype = 'advisory' and database = (
                select oid from pg_database where datname = current_database())) as "advisory locks"`);
    return left;
  }
}

export const NOTHING_LEFT = {
  'staging tables': 0,
  'snapshots without a job': 0,
  'incomplete snapshots': 0,
  'temporary files': 0,
  'advisory locks': 0,
};
