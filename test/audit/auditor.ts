import type { ChainedEntry } from '../../src/audit/audit-chain.js';
import { AuditLog } from '../../src/audit/audit-log.js';
import { makeKey } from '../access/keys.js';
import type { TestServer } from '../setup/test-server.js';

/** An entry of the audit log, as a row of the database. */
export type Entry = ChainedEntry & { seq: string };

/** The entries after `seq`, oldest first. */
export async function entriesAfter(server: TestServer, seq: number): Promise<Entry[]> {
  await flush(server);
  return server.query('select * from audit_entry where seq > $1 order by seq', [seq]);
}

export async function lastSeq(server: TestServer): Promise<number> {
  await flush(server);
  const [row] = await server.query('select seq::int from audit_chain');
  return row.seq;
}

/** The entries that `act` adds to the log. */
export async function entriesOf(server: TestServer, act: () => Promise<unknown>): Promise<Entry[]> {
  const seq = await lastSeq(server);
  await act();
  return entriesAfter(server, seq);
}

/** Waits until entries that requests do not wait for are written. */
function flush(server: TestServer): Promise<void> {
  return server.app.get(AuditLog).beforeApplicationShutdown();
}

/** Creates a key with this name. @returns the header that presents it */
export async function keyOf(server: TestServer, name: string, source: string | null = null) {
  return { 'X-API-Key': await makeKey(server, { name, source }) };
}

/** Changes the log without its triggers, as only a superuser of the database can. */
export function tamper(server: TestServer, sql: string, values: unknown[] = []): Promise<unknown> {
  const literal = values.reduce<string>((text, value, index) => text.replaceAll(`$${index + 1}`, String(value)), sql);
  return server.query(`begin; set local session_replication_role = replica; ${literal}; commit`);
}
