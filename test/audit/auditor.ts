import type { ChainedEntry } from '../../src/audit/audit-chain.js';
import { AuditLog } from '../../src/audit/audit-log.js';
import { makeKey } from '../access/keys.js';
import type { TestServer } from '../setup/test-server.js';

/** A line of the audit log as the database has it. */
export type Line = ChainedEntry & { seq: string };

/** The lines behind `seq`, oldest first. */
export async function linesAfter(server: TestServer, seq: number): Promise<Line[]> {
  await settle(server);
  return server.query('select * from audit_entry where seq > $1 order by seq', [seq]);
}

export async function lastSeq(server: TestServer): Promise<number> {
  await settle(server);
  const [row] = await server.query('select seq::int from audit_chain');
  return row.seq;
}

/** The lines that `act` leaves. */
export async function linesOf(server: TestServer, act: () => Promise<unknown>): Promise<Line[]> {
  const seq = await lastSeq(server);
  await act();
  return linesAfter(server, seq);
}

/** Entries that nobody waits for are there. */
function settle(server: TestServer): Promise<void> {
  return server.app.get(AuditLog).beforeApplicationShutdown();
}

/** Makes a key of that name. @returns what shows it */
export async function keyOf(server: TestServer, name: string, source: string | null = null) {
  return { 'X-API-Key': await makeKey(server, { name, source }) };
}

/** Does what only the owner of the machine can: changes the log past all triggers. */
export function tamper(server: TestServer, sql: string, values: unknown[] = []): Promise<unknown> {
  const literal = values.reduce<string>((text, value, index) => text.replaceAll(`$${index + 1}`, String(value)), sql);
  return server.query(`begin; set local session_replication_role = replica; ${literal}; commit`);
}
