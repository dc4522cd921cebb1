import { AsyncLocalStorage } from 'node:async_hooks';
import type { PoolClient } from 'pg';

/** The role of every session: it sees the rows of one source, and none before it is said of which. */
export const APP_ROLE = 'counterpart_app';

/** The role of what looks after all sources: the rescuer, the cleaner, the metrics, the look-up of keys. */
export const SYSTEM_ROLE = 'counterpart_system';

/** The setting by which the policies of `migration-20261121-walls.ts` know the source. */
const SETTING = 'counterpart.source';

/** Within which walls a piece of work stands: those of one source, by id, or those around all of them. */
type Room = number | 'all sources' | 'login';

const rooms = new AsyncLocalStorage<Room>();

/** Whatever `work` asks of the database, however deep inside, is about this source. */
export function withinSource<T>(sourceId: number, work: () => T): T {
  if (!Number.isSafeInteger(sourceId)) throw new Error('a source is known by its id');
  return rooms.run(sourceId, work);
}

/** Lets `work` see all sources. For what no caller's words reach. */
export function acrossSources<T>(work: () => T): T {
  return rooms.run('all sources', work);
}

/**
 * Lets `work` speak as the user that the sessions have logged in as. For what PostgreSQL allows nobody else: to cancel or
 * end sessions of that user, and what only an owner may do.
 */
export function asLogin<T>(work: () => T): T {
  return rooms.run('login', work);
}

/** No source has this id: what is asked of a source that never sent anything finds nothing. */
export const NO_SOURCE = 0;

/** The ORM's own wall, beside that of the database: a condition on every query for an entity that belongs to a source. */
export const WALL = {
  name: 'wall',
  cond: () => {
    const room = rooms.getStore();
    return room === 'all sources' ? {} : { sourceId: typeof room === 'number' ? room : NO_SOURCE };
  },
  default: true,
  args: false,
} as const;

/** What makes a transaction stand in a room. `local` ends with it: a pooled connection carries nothing on. */
function enter(room: Room): string {
  if (room === 'login') return 'set local role none';
  if (room === 'all sources') return `set local role ${SYSTEM_ROLE}`;
  return `set local role ${APP_ROLE}; set local ${SETTING} = '${room}'`;
}

type Query = (...sent: unknown[]) => unknown;

/**
 * Puts the walls around all that is sent over a connection: a transaction begins with its room, and a statement outside
 * of one gets a transaction of its own. A statement that is sent from no room is left as it is, and meets the session's
 * role, which sees nothing.
 */
export function wallIn(client: PoolClient): void {
  const query = client.query.bind(client) as Query;
  let inside: { room: Room | undefined } | null = null;
  const walled: Query = (...sent) => {
    const [text] = sent;
    // What is no text, such as a COPY, belongs to a transaction that has begun.
    if (typeof text !== 'string') return query(...sent);
    const room = rooms.getStore();
    if (inside === null && isBegin(text)) {
      inside = { room };
      return query(room === undefined ? text : `${text}; ${enter(room)}`);
    }
    if (inside !== null && isEnd(text)) {
      inside = null;
      return query(...sent);
    }
    if (inside === null) return room === undefined ? query(...sent) : inTransaction(query, room, sent);
    if (inside.room !== room) throw new Error('a transaction stays within the walls that it began in');
    return query(...sent);
  };
  Object.assign(client, { query: walled });
}

/**
 * In one message, as the ORM puts its values into the text: a round trip as before. Whatever the statement does, it does
 * within the room: if it fails, nothing behind it is executed.
 */
async function inTransaction(query: Query, room: Room, [text, values]: unknown[]): Promise<unknown> {
  if (Array.isArray(values) && values.length > 0) throw new Error('values belong into the text');
  try {
    const results = (await query(`begin; ${enter(room)};\n${String(text)}\n;commit`)) as unknown[];
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
