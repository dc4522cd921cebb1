import { ReflectMetadataProvider } from '@mikro-orm/decorators/legacy';
import { Migrator } from '@mikro-orm/migrations';
import { defineConfig, type Constructor, type EntityManager, type Options } from '@mikro-orm/postgresql';
import type { Migration } from '@mikro-orm/migrations';
import { randomUUID } from 'node:crypto';
import { pipeline } from 'node:stream/promises';
import type { Pool, PoolClient } from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { APP_ROLE, isolateClient } from './source-isolation.js';

/** What the other rooms bring to the database. */
export interface Schema {
  entities: Constructor<object>[];
  migrations: { name: string; class: Constructor<Migration> }[];
}

/** Whoever works with a client whose connection is lost has noticed it by then. */
const LOST_CLIENT_MS = 1_000;

/** How a process uses the database. */
export interface DatabaseUse {
  url: string;
  poolSize: number;
  /** What its sessions are called in `pg_stat_activity`. */
  name: string;
  /** Bounds each statement; null for migrations, which take their time, and are the owner's: no role is taken for them. */
  statementTimeoutSeconds: number | null;
}

/** A transaction that has nothing to say for so long has lost its process, or its process has lost it. */
const IDLE_IN_TRANSACTION_SECONDS = 30;

/** How often a running statement looks whether its client is still there: a killed process should leave nothing at work. */
const LOOK_FOR_CLIENT_SECONDS = 2;

/** The ORM's settings. Connections are made lazily; whoever starts a server calls `connect()` first. */
export function ormOptions(use: DatabaseUse, schema: Schema): Options {
  return defineConfig({
    clientUrl: use.url,
    entities: schema.entities,
    metadataProvider: ReflectMetadataProvider,
    extensions: [Migrator],
    migrations: { migrationsList: schema.migrations, snapshot: false, silent: true },
    pool: { min: 0, max: use.poolSize },
    driverOptions: {
      onPoolCreated: (pool: Pool) => {
        pool.on('connect', isolateClient);
        pool.on('connect', noticeMarks);
        // Lost between two statements of a transaction, it would end the process: the pool listens to idle ones alone.
        pool.on('connect', (client) => void client.on('error', () => undefined));
        pool.on('connect', (client) => void client.once('end', () => releaseLost(client)));
      },
      // A lost network shows as an error instead of a query that never ends.
      keepAlive: true,
      connectionTimeoutMillis: 5_000,
      application_name: use.name,
      onConnect: (client: PoolClient) => prepare(client, use.statementTimeoutSeconds),
    },
    // Messages of the ORM may quote rows; errors reach our own log without them.
    logger: () => undefined,
  });
}

/** Role and limits of a session: by a statement rather than at the connection's start, which poolers refuse. */
async function prepare(client: PoolClient, statementTimeoutSeconds: number | null): Promise<void> {
  if (statementTimeoutSeconds === null) return;
  await client.query(
    `set role ${APP_ROLE};
     set statement_timeout = '${statementTimeoutSeconds}s'; set lock_timeout = '${statementTimeoutSeconds}s';
     set idle_in_transaction_session_timeout = '${IDLE_IN_TRANSACTION_SECONDS}s';
     set client_connection_check_interval = '${LOOK_FOR_CLIENT_SECONDS}s'`,
  );
}

/** How a marked statement begins, by which a COPY finds out which client a transaction has. */
const MARK = /^\/\* client of [0-9a-f-]{36} \*\//;

/** The clients that have sent a marked statement, until somebody asks. */
const marked = new Map<string, PoolClient>();

function noticeMarks(client: PoolClient): void {
  const query = client.query.bind(client) as (...sent: unknown[]) => unknown;
  const noticing = (...sent: unknown[]) => {
    const mark = typeof sent[0] === 'string' ? MARK.exec(sent[0])?.[0] : undefined;
    if (mark !== undefined) marked.set(mark, client);
    return query(...sent);
  };
  Object.assign(client, { query: noticing });
}

/**
 * The client that runs the transaction of `em`, which the ORM does not tell. Not found by its server process: behind a
 * pooler the process is not the one that the client was told.
 */
async function clientOf(em: EntityManager): Promise<PoolClient> {
  const mark = `/* client of ${randomUUID()} */`;
  try {
    await em.execute(`${mark} select 1`);
    const client = marked.get(mark);
    if (!client) throw new Error('the connection of this transaction is not known');
    return client;
  } finally {
    marked.delete(mark);
  }
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
  const client = await clientOf(em);
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

/** A text as an SQL literal: for names out of our own definitions, where a parameter would hide a constant from the planner. */
export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
