import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../src/database/embedded-postgres/embedded-postgres.js';
import type { SeededRandom } from './seeded-random.js';
import type { Availability } from './availability.js';

/** The signals that stop a postmaster: https://www.postgresql.org/docs/18/server-shutdown.html */
const SIGNALS = { fast: 'SIGINT', immediate: 'SIGQUIT', kill: 'SIGKILL' } as const;
export type Shutdown = keyof typeof SIGNALS;

/** After a crash PostgreSQL replays its write-ahead log; the launcher waits up to 5 s before it starts it again. */
const BACK_LIMIT_MS = 120_000;
const POLL_MS = 50;

/** PostgreSQL with its durability on, which the launcher starts again on the same port whenever it ends. */
export class Database {
  private constructor(
    private readonly server: EmbeddedPostgres,
    private readonly availability: Availability,
  ) {}

  static async start(folder: string, availability: Availability): Promise<Database> {
    const server = await startEmbeddedPostgres({
      dataDir: join(folder, 'data'),
      settings: { max_connections: '200' },
      log: (line) => appendFileSync(join(folder, 'launcher.log'), `${new Date().toISOString()} ${line}\n`),
    });
    return new Database(server, availability);
  }

  get url(): string {
    return this.server.url;
  }

  /** @throws if the database is away, or does not answer in time */
  async query<T extends pg.QueryResultRow = any>(sql: string, values: unknown[] = []): Promise<T[]> {
    const client = new pg.Client({
      connectionString: this.url,
      connectionTimeoutMillis: 5_000,
      query_timeout: 60_000,
      application_name: 'chaos',
    });
    client.on('error', () => undefined);
    try {
      await client.connect();
      return (await client.query<T>(sql, values)).rows;
    } finally {
      await client.end().catch(() => undefined);
    }
  }

  /** Stops the postmaster, and waits until the next one accepts connections. */
  async restart(how: Shutdown): Promise<void> {
    const old = await this.postmaster();
    this.availability.isDatabaseAway = true;
    process.kill(old, SIGNALS[how]);
    const deadline = Date.now() + BACK_LIMIT_MS;
    for (;;) {
      const now = await this.postmaster().catch(() => old);
      if (now !== old) break;
      if (Date.now() > deadline) throw new Error('PostgreSQL did not come back');
      await delay(POLL_MS);
    }
    this.availability.isDatabaseAway = false;
  }

  /** Terminates connections of the product, also those that LISTEN. */
  async terminateBackends(which: string, choose: () => boolean): Promise<void> {
    const backends = await this.query<{ pid: number }>(
      `select pid from pg_stat_activity where application_name ~ $1 and backend_type = 'client backend' order by pid`,
      [which],
    );
    const chosen = backends.filter(() => choose()).map(({ pid }) => pid);
    await this.query('select pg_terminate_backend(pid) from unnest($1::int[]) pid', [chosen]);
  }

  /** Terminates a random share of them. */
  terminateSome(random: SeededRandom): Promise<void> {
    const share = random.pick([0.2, 0.5, 1]);
    return this.terminateBackends('^counterpart', () => random.chance(share));
  }

  stop(): Promise<void> {
    return this.server.stop();
  }

  private async postmaster(): Promise<number> {
    const [row] = await this.query<{ pid: number }>(
      `select split_part(pg_read_file('postmaster.pid'), e'\\n', 1)::int as pid`,
    );
    return row?.pid ?? 0;
  }
}
