import { ReflectMetadataProvider } from '@mikro-orm/decorators/legacy';
import { Migrator } from '@mikro-orm/migrations';
import { defineConfig, type Constructor, type EntityManager, type Options } from '@mikro-orm/postgresql';
import type { Migration } from '@mikro-orm/migrations';
import { randomUUID } from 'node:crypto';
import { pipeline } from 'node:stream/promises';
import type { Pool, PoolClient } from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { FollowingClient } from './following-client.js';
import { APP_ROLE, isolateClient } from './source-isolation.js';

/** What the other modules add to the database. */
export interface Schema {
  entities: Constructor<object>[];
  migrations: { name: string; class: Constructor<Migration> }[];
}

/** By then the code that uses a client has noticed that its connection is lost. */
const LOST_CLIENT_MS = 1_000;

/** How a process uses the database. */
export interface DatabaseUse {
  url: string;
  poolSize: number;
  /** The `application_name` of its sessions in `pg_stat_activity`. */
  name: string;
  /** Bounds each statement; null for migrations, which may take long and run as the owner, without a role. */
  statementTimeoutSeconds: number | null;
  /** Is shown the pool once it is there. */
  onPool?: (pool: Pool) => void;
}

/** A transaction that is idle for so long belongs to a process that is gone or has lost track of it. */
const IDLE_IN_TRANSACTION_SECONDS = 30;

/** How often a running statement checks whether its client is connected: the statements of a killed process should end. */
const LOOK_FOR_CLIENT_SECONDS = 2;

/** The ORM's settings. Connections are made lazily; starting a server calls `connect()` first. */
export function ormOptions(use: DatabaseUse, schema: Schema): Options {
  return defineConfig({
    clientUrl: use.url,
    entities: schema.entities,
    metadataProvider: ReflectMetadataProvider,
    extensions: [Migrator],
    // Each in a transaction of its own, with its name: a table is locked no longer than its own migration takes.
    migrations: { migrationsList: schema.migrations, snapshot: false, silent: true, allOrNothing: false },
    pool: { min: 0, max: use.poolSize },
    driverOptions: {
      onPoolCreated: (pool: Pool) => {
        use.onPool?.(pool);
        refuseWhenEnding(pool);
        pool.on('connect', isolateClient);
        pool.on('connect', noticeMarks);
        // A connection lost between two statements of a transaction would end the process: the pool only handles errors
        // of idle clients.
        pool.on('connect', (client) => void client.on('error', () => undefined));
        pool.on('connect', (client) => void client.once('end', () => releaseLost(client)));
      },
      Client: FollowingClient,
      // A lost network shows as an error instead of a query that never ends.
      keepAlive: true,
      connectionTimeoutMillis: 5_000,
      application_name: use.name,
      onConnect: (client: PoolClient) => prepare(client, use.statementTimeoutSeconds),
    },
    // The ORM's messages may quote rows; our own log records errors without their messages.
    logger: () => undefined,
  });
}

/** Sets role and limits of a session by a statement: as start-up parameters of the connection, poolers refuse them. */
async function prepare(client: PoolClient, statementTimeoutSeconds: number | null): Promise<void> {
  if (statementTimeoutSeconds === null) return;
  await client.query(
    // Instants leave the database as text, in the time zone of the session.
    `set role ${APP_ROLE}; set timezone = 'UTC';
     set statement_timeout = '${statementTimeoutSeconds}s'; set lock_timeout = '${statementTimeoutSeconds}s';
     set idle_in_transaction_session_timeout = '${IDLE_IN_TRANSACTION_SECONDS}s';
     set client_connection_check_interval = '${LOOK_FOR_CLIENT_SECONDS}s'`,
  );
}

/**
 * Kysely (0.29) forgets its pool before that has ended. A client that is connected meanwhile would make it throw an error
 * without giving the client back, for which the end of the pool, and so the stop of the process, would wait for ever.
 */
function refuseWhenEnding(pool: Pool): void {
  const connect = pool.connect.bind(pool);
  const connectUnlessEnding = async (): Promise<PoolClient> => {
    const client = await connect();
    if (!pool.ending) return client;
    client.release();
    throw new Error('the connections to the database are being closed');
  };
  Object.assign(pool, { connect: connectUnlessEnding });
}

/** The start of a marked statement, by which a COPY finds the client of its transaction. */
const MARK = /^\/\* client of [0-9a-f-]{36} \*\//;

/** The clients that have sent a marked statement, until `clientOf` has read them. */
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
 * The client that runs the transaction of `em`, which the ORM does not expose. The id of the server process would not
 * find it: behind a pooler it is not the id that the client was given.
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
 * Releases a client with a lost connection to the pool. Kysely (0.29) does not do so when the `begin`, `commit` or
 * `rollback` of a transaction fails: after as many lost transactions as the pool has places, there would be no connection
 * left to use, and closing the pool would never end. The timer keeps the process alive: one that stops has nothing else to
 * wait for, and would end with its pool open.
 */
function releaseLost(client: PoolClient): void {
  // Each check-out has a `release` of its own: the one of now, not that of a later user of the client.
  const release = client.release.bind(client);
  setTimeout(() => {
    try {
      release(true);
    } catch {
      // It was released in the usual way.
    }
  }, LOST_CLIENT_MS);
}

/**
 * Runs `COPY … FROM STDIN` inside the entity manager's transaction: it commits or rolls back with it.
 * No other query of `em` may run until it has ended.
 * @param rows lines in COPY's text format, many in each string; read only as fast as PostgreSQL takes them
 */
export async function copyInto(em: EntityManager, statement: string, rows: AsyncIterable<string>): Promise<void> {
  if (!em.isInTransaction()) throw new Error('COPY needs a transaction');
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

/** A text as an SQL literal: for names from our own definitions, where a parameter would hide a constant from the planner. */
export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
