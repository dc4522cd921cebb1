import type { EntityManager } from '@mikro-orm/postgresql';
import { setTimeout as delay } from 'node:timers/promises';
import { isDiskFull, isOutage, sqlState } from '../platform/outage.js';
import { Refusal } from '../platform/refusal.js';
import { type Decision, type Posting, requestOf } from './posting.js';

/** How long a batch waits for the account that it waits for; then others get their turn. */
const PATIENCE_MS = 1_000;

/** How long it waits for one of two: it may have the other one meanwhile, which others want. */
const PATIENCE_FOR_TWO_MS = 100;

/** How long a batch is tried again while the database is away: callers wait meanwhile. */
const OUTAGE_MS = 5_000;

const PAUSE_MS = 200;

/** How often a batch may meet another one with the same keys, or a deadlock that should not be. */
const MAX_COLLISIONS = 10;

/** Rolled back for certain, and well if it is sent again: a key under two requests at once, or two in each other's way. */
const COLLISIONS = ['23505', '40001', '40P01'];

/** The connection never came about, so nothing was sent over it. */
const NEVER_SENT = /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|57P03|53300)$/;

/** A batch at the door of the database. */
export interface Batch {
  sourceId: number;
  postings: Posting[];
  /** The accounts that it waits for; it takes the others only if nobody has them. */
  waits: string[];
  /** Whether some of it may have been posted before, by an attempt whose end nobody knows. */
  isRepeated: boolean;
}

/** A decision, or the account that somebody else has. */
export type Verdict = Decision | { outcome: 'busy'; busy: string };

interface Row {
  place: number;
  outcome: Verdict['outcome'];
  balance: string | null;
  transfer_id: string | null;
  busy: string | null;
}

/** It is not known whether a batch was posted. */
export class OutcomeUnknown extends Refusal {
  constructor() {
    const detail =
      'The database went away, and nobody knows yet whether this took effect. Under its Idempotency-Key it can be sent again.';
    super(503, 'outcome_unknown', detail, { headers: { 'Retry-After': '2' } });
  }
}

/**
 * Posts a batch in one transaction of one message: it is committed as a whole, on disk, or nothing of it is. While the
 * database is away it is tried again, which posts nothing twice.
 * @returns the verdicts in the order of the postings, and whether what is busy may have been posted before
 * @throws OutcomeUnknown; whatever else it throws, nothing was posted
 */
export async function postBatch(
  em: EntityManager,
  batch: Batch,
): Promise<{ verdicts: Verdict[]; isRepeated: boolean }> {
  const deadline = Date.now() + OUTAGE_MS;
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
      await delay(PAUSE_MS);
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
      waits.length > 1 ? PATIENCE_FOR_TWO_MS : PATIENCE_MS,
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
