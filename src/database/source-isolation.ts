import { AsyncLocalStorage } from 'node:async_hooks';
import type { PoolClient } from 'pg';

/** The role of every session. It sees the rows of the source that the transaction has named, and none before that. */
export const APP_ROLE = 'counterpart_app';

/** The role for work on all sources: the rescuer, the cleaner, the metrics, the look-up of keys. */
export const SYSTEM_ROLE = 'counterpart_system';

/** The setting by which a transaction names its source, and from which the policies read it. */
export const SOURCE_SETTING = 'counterpart.source';

/** Which rows a piece of work sees: those of one source, by id, those of all, or what the session's own user may see. */
type Visibility = number | 'all sources' | 'session user';

const visibility = new AsyncLocalStorage<Visibility>();

/** Runs `work` within one source: all of its statements, however deep inside, see the rows of that source only. */
export function withinSource<T>(sourceId: number, work: () => T): T {
  if (!Number.isSafeInteger(sourceId)) throw new Error('a source is known by its id');
  return visibility.run(sourceId, work);
}

/** Lets `work` see all sources. Not for anything that a caller's input decides. */
export function acrossSources<T>(work: () => T): T {
  return visibility.run('all sources', work);
}

/**
 * Runs `work` as the user that the sessions were opened by, without a role. For what PostgreSQL only allows that user: to
 * cancel or end its sessions, and what requires the owner.
 */
export function asSessionUser<T>(work: () => T): T {
  return visibility.run('session user', work);
}

/** No source has this id: queries for a source that has never sent anything find nothing. */
export const NO_SOURCE = 0;

/** The ORM's part beside row-level security: a condition on every query for an entity that belongs to a source. */
export const SOURCE_FILTER = {
  name: 'source',
  cond: () => {
    const seen = visibility.getStore();
    return seen === 'all sources' ? {} : { sourceId: typeof seen === 'number' ? seen : NO_SOURCE };
  },
  default: true,
  args: false,
} as const;

/** The SQL by which a transaction takes its role and source. `local` ends with it: a pooled connection keeps neither. */
function takeRole(seen: Visibility): string {
  if (seen === 'session user') return 'set local role none';
  if (seen === 'all sources') return `set local role ${SYSTEM_ROLE}`;
  return `set local role ${APP_ROLE}; set local ${SOURCE_SETTING} = '${seen}'`;
}

type Query = (...sent: unknown[]) => unknown;

/**
 * Isolates all that is sent over a connection: a transaction begins by taking its role and source, and a statement
 * outside of a transaction gets one of its own. A statement that is sent outside of any of the functions above is left
 * as it is: it runs under the session's role, which sees no rows.
 */
export function isolateClient(client: PoolClient): void {
  const query = client.query.bind(client) as Query;
  let transaction: { seen: Visibility | undefined } | null = null;
  const isolated: Query = (...sent) => {
    const [text] = sent;
    // What is not text, such as a COPY, belongs to a transaction that has begun.
    if (typeof text !== 'string') return query(...sent);
    const seen = visibility.getStore();
    if (transaction === null && isBegin(text)) {
      transaction = { seen };
      return query(seen === undefined ? text : `${text}; ${takeRole(seen)}`);
    }
    if (transaction !== null && isEnd(text)) {
      transaction = null;
      return query(...sent);
    }
    if (transaction === null) return seen === undefined ? query(...sent) : inTransaction(query, seen, sent);
    if (transaction.seen !== seen) throw new Error('a transaction stays within the source that it began in');
    return query(...sent);
  };
  Object.assign(client, { query: isolated });
}

/**
 * Sends a transaction in one message, so it takes one round trip; the ORM has already put the values into the text. If
 * taking the role fails, PostgreSQL does not execute the statement.
 */
async function inTransaction(query: Query, seen: Visibility, [text, values]: unknown[]): Promise<unknown> {
  if (Array.isArray(values) && values.length > 0) throw new Error('values belong into the text');
  try {
    const results = (await query(`begin; ${takeRole(seen)};\n${String(text)}\n;commit`)) as unknown[];
    return results.at(-2);
  } catch (error) {
    await (query('rollback') as Promise<unknown>).catch(() => undefined);
    throw error;
  }
}

function isBegin(text: string): boolean {
  return /^(begin|start transaction)\b/i.test(text);
}

function isEnd(text: string): boolean {
  return /^(commit|rollback)\b(?! to\b)/i.test(text);
}
