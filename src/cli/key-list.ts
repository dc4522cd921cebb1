import type { ListedKey } from '../access/access-keys.js';
import type { Cell } from './tables.js';

/** How the source of a key is shown that is bound to none. */
export const ANY_SOURCE = '*';

export const KEY_COLUMNS = ['name', 'source', 'scopes', 'created', 'expires', 'state'].map((heading) => ({ heading }));

export function keyRow({ name, source, scopes, created, expiresAt, state }: ListedKey): Cell[] {
  const made = new Date(created).toISOString().replace('T', ' ').slice(0, 19);
  return [name, source ?? ANY_SOURCE, scopes.join(','), made, expiresAt === null ? '–' : lastDayOf(expiresAt), state];
}

/** A key as `keys list --json` prints it. */
export function keyView({ name, source, scopes, created, expiresAt, state }: ListedKey): Record<string, unknown> {
  const expires = expiresAt === null ? null : lastDayOf(expiresAt);
  return { name, source: source ?? ANY_SOURCE, scopes, created: new Date(created).toISOString(), expires, state };
}

/** The last day, in UTC, on which a key that expires at this instant is valid. */
export function lastDayOf(end: Date): string {
  return new Date(new Date(end).getTime() - 1).toISOString().slice(0, 10);
}
