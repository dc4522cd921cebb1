import pg from 'pg';
import type { AuditHead, AuditVerdict } from './audit-verdict.js';
import { type ChainedEntry, CHAINED_FIELDS, entryHash } from './audit-chain.js';

/** Entries read at once. */
const BATCH = 5_000;

interface Entry extends ChainedEntry {
  previous_hash: Buffer;
  hash: Buffer;
}

interface Chain {
  seq: string;
  hash: Buffer;
  forgotten_seq: string;
  forgotten_hash: Buffer;
  now: Date;
}

/**
 * Checks the audit log from its first entry to its last, in one database snapshot and with constant memory, and reports
 * the first entry that was changed, removed or inserted. If entries were cut off at the end and the stored end of the
 * chain was changed to fit, only a later head that was kept elsewhere, given as `expected`, reveals it.
 */
export async function verifyAudit(databaseUrl: string, expected: AuditHead | null): Promise<AuditVerdict> {
  const client = new pg.Client({ connectionString: databaseUrl, application_name: 'counterpart audit verify' });
  await client.connect();
  try {
    await client.query('begin isolation level repeatable read read only');
    return await verifyChain(client, expected);
  } finally {
    await client.end();
  }
}

async function verifyChain(client: pg.Client, expected: AuditHead | null): Promise<AuditVerdict> {
  const { rows } = await client.query<Chain>('select *, now() from audit_chain');
  const [chain] = rows;
  if (!chain) throw new Error('the stored end of the audit log is missing');
  const verdict: AuditVerdict = {
    entries: 0,
    first: null,
    last: null,
    head: `${chain.seq}:${chain.hash.toString('hex')}`,
    forgotten: Number(chain.forgotten_seq),
    broken: null,
  };
  let [seq, hash] = [verdict.forgotten, chain.forgotten_hash];
  const isUnexpected = (): boolean => expected?.seq === seq && expected.hash !== hash.toString('hex');
  if (isUnexpected()) return { ...verdict, broken: { seq, what: UNEXPECTED } };
  for await (const entry of entriesOf(client)) {
    const what = fault(entry, seq + 1, hash);
    if (what !== null) return { ...verdict, broken: { seq: seq + 1, what } };
    [seq, hash] = [seq + 1, entry.hash];
    if (isUnexpected()) return { ...verdict, broken: { seq, what: UNEXPECTED } };
    verdict.entries += 1;
    verdict.last = { seq, at: entry.at };
    verdict.first ??= verdict.last;
  }
  const broken =
    faultOfEnd(seq, hash, chain) ??
    faultOfExpected(seq, verdict.forgotten, expected) ??
    faultOfForgetting(verdict, new Date(chain.now));
  return { ...verdict, broken };
}

const UNEXPECTED = 'it is not the one that was expected: the log was rewritten';

async function* entriesOf(client: pg.Client): AsyncGenerator<Entry> {
  let after = '-1';
  for (;;) {
    const { rows } = await client.query<Entry>(
      `select ${CHAINED_FIELDS}, previous_hash, hash from audit_entry where seq > $1 order by audit_entry.seq limit ${BATCH}`,
      [after],
    );
    yield* rows;
    const last = rows.at(-1);
    if (!last || rows.length < BATCH) return;
    after = last.seq;
  }
}

function fault(entry: Entry, seq: number, previous: Buffer): string | null {
  if (Number(entry.seq) > seq) return 'it is missing';
  if (Number(entry.seq) < seq) return 'entries were inserted before it';
  if (!entry.previous_hash.equals(previous)) return 'it does not follow the one before';
  return entryHash(previous, entry).equals(entry.hash) ? null : 'it was changed';
}

function faultOfEnd(seq: number, hash: Buffer, chain: Chain): AuditVerdict['broken'] {
  if (seq < Number(chain.seq)) return { seq: seq + 1, what: 'it is missing, with all entries after it' };
  if (seq > Number(chain.seq)) return { seq: Number(chain.seq) + 1, what: 'it was inserted after the end' };
  return hash.equals(chain.hash) ? null : { seq, what: 'it is not the end that was written' };
}

function faultOfExpected(seq: number, forgotten: number, expected: AuditHead | null): AuditVerdict['broken'] {
  if (expected === null) return null;
  if (expected.seq > seq)
    return { seq: seq + 1, what: `it is missing, with all entries up to ${expected.seq} at least` };
  const what = 'it is no longer kept, so it cannot be checked';
  return expected.seq < forgotten ? { seq: expected.seq, what } : null;
}

/** Entries of this many days are never deleted, whatever the retention is: `audit_forget` ensures it. */
const KEPT_DAYS = 365;

/** One entry that is old enough to be deleted always stays, so the first remaining entry must be old. */
function faultOfForgetting({ forgotten, first }: AuditVerdict, now: Date): AuditVerdict['broken'] {
  const isOld = first !== null && new Date(first.at).getTime() < now.getTime() - KEPT_DAYS * 86_400_000;
  return forgotten === 0 || isOld ? null : { seq: forgotten, what: 'it was dropped before its time' };
}
