import type { EntityManager } from '@mikro-orm/postgresql';
import { setTimeout as delay } from 'node:timers/promises';
import { isDiskFull, isOutage, sqlState } from '../database/outage.js';
import { Refusal } from '../http/refusal.js';
import { type Decision, type Posting, requestOf } from './posting.js';

/** How long a batch waits for a locked account; then other batches get their turn. */
const LOCK_TIMEOUT_MS = 1_000;

/** How long it waits for each of two: it may hold the lock of the other one meanwhile, which others need. */
const LOCK_TIMEOUT_FOR_TWO_MS = 100;

/** How long a batch is retried while the database is away; callers wait meanwhile. */
const RETRY_FOR_MS = 5_000;

const RETRY_PAUSE_MS = 200;

/**
 * How often a batch may collide with another one that has the same keys, or meet a deadlock, which should not occur.
 */
const MAX_COLLISIONS = 10;

/**
 * Certainly rolled back, and worth another try: one key in two concurrent requests, or a conflict of two transactions.
 */
const COLLISIONS = ['23505', '40001', '40P01'];

/** No connection was made, so nothing was sent over it. */
const NEVER_SENT = /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|57P03|53300)$/;

/** Postings of one source for one transaction. */
export interface Batch {
  sourceId: number;
  postings: Posting[];
  /** The accounts whose locks it waits for; it takes the others only if they are not locked. */
  waits: string[];
  /** Whether some of it may have been posted by an earlier attempt whose outcome is unknown. */
  isRepeated: boolean;
}

/** A decision, or the account that another transaction has locked. */
export type Verdict = Decision | { outcome: 'busy'; busy: string };

interface Row {
  place: number;
  outcome: Verdict['outcome'];
  balance: string | null;
  transfer_id: string | null;
  busy: string | null;
}

/** It is not known whether a posting took effect. */
export class OutcomeUnknown extends Refusal {
  constructor() {
    const detail =
      'The connection to the database was lost, and it is not known whether this took effect. With its Idempotency-Key it can be sent again.';
    super(503, 'outcome_unknown', detail, { headers: { 'Retry-After': '2' } });
  }
}

/**
 * Posts a batch in one transaction of one message: all of it is committed, on disk, or nothing. While the database is
 * away it retries, which posts nothing twice.
 * @returns the verdicts in the order of the postings, and whether busy ones may have been posted before
 * @throws OutcomeUnknown; after any other error nothing was posted
 */
export async function postBatch(
  em: EntityManager,
  batch: Batch,
): Promise<{ verdicts: Verdict[]; isRepeated: boolean }> {
  const deadline = Date.now() + RETRY_FOR_MS;
  let { isRepeated } = batch;
  for (let collisions = 0; ;) {
    try {
      return { verdicts: await post(em, { ...batch, isRepeated }), isRepeated };
    } catch (error) {
      const state = sqlState(error) ?? '';
      if (COLLISIONS.includes(state) && collisions < MAX_COLLISIONS) {
        collisions += 1;
        continue;
      }
      if (isDiskFull(error) || !isOutage(error)) throw error;
      isRepeated ||= mayHaveBeenSent(error);
      if (Date.now() > deadline) throw isRepeated ? new OutcomeUnknown() : error;
      await delay(RETRY_PAUSE_MS);
    }
  }
}

async function post(em: EntityManager, { sourceId, postings, waits, isRepeated }: Batch): Promise<Verdict[]> {
  const sent = postings.map((posting, place) => ({
    place,
    id: posting.id,
    kind: posting.kind,
    payer: posting.payer,
    payee: posting.payee,
    sum: posting.sumCents,
    key: posting.idempotencyKey,
    request: requestOf(posting),
    by: posting.by,
  }));
  const rows = await em
    .fork()
    .execute<Row[]>('select * from ledger_post(?, ?::jsonb, ?::bigint[], ?, ?)', [
      sourceId,
      JSON.stringify(sent),
      `{${waits.join(',')}}`,
      waits.length > 1 ? LOCK_TIMEOUT_FOR_TWO_MS : LOCK_TIMEOUT_MS,
      isRepeated,
    ]);
  return rows.map(toVerdict);
}

function toVerdict({ outcome, balance, transfer_id: transferId, busy }: Row): Verdict {
  if (outcome === 'busy') return { outcome, busy: busy ?? '' };
  return { outcome, balanceCents: balance === null ? null : Number(balance), transferId };
}

function mayHaveBeenSent(error: unknown): boolean {
  const { code, message } = error as { code?: unknown; message?: unknown };
  const isLate = typeof message === 'string' && message.includes('timeout exceeded when trying to connect');
  return !isLate && !(typeof code === 'string' && NEVER_SENT.test(code));
}
