import { ReflectMetadataProvider } from '@mikro-orm/decorators/legacy';
import { Migrator } from '@mikro-orm/migrations';
import { defineConfig, type Constructor, type EntityManager, type Options } from '@mikro-orm/postgresql';
import type { Migration } from '@mikro-orm/migrations';
import { pipeline } from 'node:stream/promises';
import type { Pool, PoolClient } from 'pg';
import { from as copyFrom } from 'pg-copy-streams';

/** What the other rooms bring to the database. */
export interface Schema {
  entities: Constructor<object>[];
  migrations: { name: string; class: Constructor<Migration> }[];
}

/** The clients of the pool by their server process: how a COPY finds the connection of the running transaction. */
const clients = new Map<number, PoolClient>();

/** Whoever works with a client whose connection is lost has noticed it by then. */
const LOST_CLIENT_MS = 1_000;

/** The ORM's settings. Connections are made lazily; whoever starts a server calls `connect()` first. */
export function ormOptions(databaseUrl: string, poolSize: number, schema: Schema): Options {
  return defineConfig({
    clientUrl: databaseUrl,
    entities: schema.entities,
    metadataProvider: ReflectMetadataProvider,
    extensions: [Migrator],
    migrations: { migrationsList: schema.migrations, snapshot: false, silent: true },
    pool: { min: 0, max: poolSize },
    driverOptions: {
      onPoolCreated: (pool: Pool) => {
        pool.on('connect', rememberClient);
        pool.on('connect', (client) => void client.once('end', () => releaseLost(client)));
        pool.on('remove', forgetClient);
      },
      // A lost network shows as an error instead of a query that never ends.
      keepAlive: true,
      connectionTimeoutMillis: 5_000,
      application_name: 'counterpart',
    },
    // Messages of the ORM may quote rows; errors reach our own log without them.
    logger: () => undefined,
  });
}

type ClientWithPid = PoolClient & { processID?: number };

function rememberClient(client: ClientWithPid): void {
  if (client.processID) clients.set(client.processID, client);
}

function forgetClient(client: ClientWithPid): void {
  if (client.processID && clients.get(client.processID) === client) clients.delete(client.processID);
}

/**
 * Gives back the place in the pool that a client with a lost connection still holds. Kysely (0.29) does not when the
 * `begin`, `commit` or `rollback` of a transaction fails: after as many lost transactions as the pool has places, nothing
 * would get a connection any more, and closing the pool would never end.
 */
function releaseLost(client: PoolClient): void {
  // Each check-out has a `release` of its own: this one, not that of whoever may have the client by then.
  const release = client.release.bind(client);
  setTimeout(() => {
    try {
      release(true);
    } catch {
      // It was released in the usual way.
    }
  }, LOST_CLIENT_MS).unref();
}

/**
 * Runs `COPY … FROM STDIN` inside the entity manager's transaction: it commits or rolls back with it.
 * No other query of `em` may run until it has ended.
 * @param rows lines in COPY's text format, many in each string; drawn only as fast as PostgreSQL takes them
 */
export async function copyInto(em: EntityManager, statement: string, rows: AsyncIterable<string>): Promise<void> {
  if (!em.isInTransaction()) throw new Error('COPY wants a transaction');
  const [row] = await em.execute<{ pid: number }[]>('select pg_backend_pid() as pid');
  const client = clients.get(row?.pid ?? 0);
  if (!client) throw new Error('the connection of this transaction is not known');
  await pipeline(rows, client.query(copyFrom(statement)));
}

const ESCAPED: Record<string, string> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** A value as a field of COPY's text format, https://www.postgresql.org/docs/18/sql-copy.html. */
export function copyField(value: string | null | undefined): string {
  if (value === null || value === undefined) return '\\N';
  return /[\\\n\r\t]/.test(value)
    ? value.replace(/[\\\n\r\t]/g, (character) => ESCAPED[character] ?? character)
    : value;
}

/** A name as an SQL identifier. */
export function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
