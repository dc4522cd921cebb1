import type { DialectName, Pulled } from '../source/dialects.js';
import type { Span } from '../source/moments.js';

export const PULL_STATUSES = [
  'queued',
  'fetching',
  'applying',
  'awaiting_approval',
  'completed',
  'failed',
  'cancelled',
] as const;
export type PullStatus = (typeof PULL_STATUSES)[number];

/** Statuses of pulls that are not over: a source has one such pull at most. */
export const UNFINISHED = `('queued', 'fetching', 'applying', 'awaiting_approval')`;

/** What a source's rates are taken for. */
export const RATES = ['auto', 'worth', 'perEuro'] as const;
export type Rates = (typeof RATES)[number];

/** Something that the owner of a pull should know. */
export interface PullWarning {
  code: string;
  detail: string;
  [more: string]: unknown;
}

/** Why a pull has failed. */
export interface PullError {
  code: string;
  detail: string;
  resource: Pulled | null;
  jobId: string | null;
}

/** Times of which a source has told, and of which no rows were received. */
export interface Gap {
  resource: string;
  from: string;
  to: string;
}

/** How far a pull is with one resource. All moments are as `momentOf` writes them. */
export interface Position {
  /** `read`: the source has no more; `submitted`: and all of it was accepted. */
  state: 'reading' | 'read' | 'submitted';
  /** Answers and rows that were taken. */
  answers: number;
  records: number;
  /** The number of the next piece. */
  seq: number;
  /** The query that asks for the next answer, encoded: a given cursor, or what the last row of a page has. */
  next: string | null;
  /** Whether the source turned out to keep the cursor itself. */
  isKept: boolean;
  /** The times that were received, in their order, merged where they touch. */
  covered: Span[];
  /** The digest of the window that was taken last, and the latest time of any row. */
  last: string | null;
  lastAt: string | null;
  /** Windows of which a part was received before the connection broke. */
  sighted: Span[];
  /** Whether a window may be lost before the first one, and after the last one so far. */
  mayLack: { first: boolean; last: boolean };
  /** Rows by currency, of those currencies that have no rate. */
  unknown: Record<string, number>;
  /** Of the rates: the currencies that have one. */
  currencies: string[];
  warnings: string[];
}

export const BEGINNING: Readonly<Position> = {
  state: 'reading',
  answers: 0,
  records: 0,
  seq: 0,
  next: null,
  isKept: false,
  covered: [],
  last: null,
  lastAt: null,
  sighted: [],
  mayLack: { first: false, last: false },
  unknown: {},
  currencies: [],
  warnings: [],
};

/** A pull as it is stored. */
export interface PullRow {
  source_id: number;
  source: string;
  id: string;
  base_url: string;
  dialect: 'auto' | DialectName;
  detected: DialectName | null;
  rates: Rates;
  every: string | null;
  next_at: Date | null;
  schedule_id: string | null;
  status: PullStatus;
  positions: Partial<Record<Pulled, Position>>;
  gaps: Gap[];
  warnings: PullWarning[];
  waiting: { reason: string; since: string } | null;
  error: PullError | null;
  fence: number;
  attempts: number;
  submitted_at: Date;
  started_at: Date | null;
  finished_at: Date | null;
}

/** The columns of a {@link PullRow}, of `cashflow_pull p` and `source s`. */
export const PULL_COLUMNS = `p.source_id, s.name as source, p.id, p.base_url, p.dialect, p.detected, p.rates, p.every, p.next_at,
  p.schedule_id, p.status, p.positions, p.gaps, p.warnings, p.waiting, p.error, p.fence, p.attempts, p.submitted_at, p.started_at,
  p.finished_at`;
