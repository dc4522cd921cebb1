/** How many records and rows a job met. `received = created + updated + unchanged + rejected`, always. */
export interface Counts {
  received: number;
  created: number;
  updated: number;
  unchanged: number;
  deleted: number;
  rejected: number;
  /** Stored rows that were kept because their new version was rejected. */
  retained: number;
  /** Records whose parent is not in the mirror. */
  unresolved: number;
}

export const NO_COUNTS: Readonly<Counts> = {
  received: 0,
  created: 0,
  updated: 0,
  unchanged: 0,
  deleted: 0,
  rejected: 0,
  retained: 0,
  unresolved: 0,
};

/** What a full snapshot would do, as it was shown to whoever has to approve it. */
export interface Plan {
  create: number;
  update: number;
  delete: number;
  unchanged: number;
  /** Rows that are live now. */
  live: number;
  /** Whether the deletion guard holds (or, in a dry run, would hold) the job. */
  held: boolean;
  reason: string | null;
  /** Up to 20 external ids that would go. */
  sample: string[];
  /** How many of the rows that would change can be looked at; absent in jobs of an earlier version. */
  listed?: number;
}

/** Why a job failed. The position is that of the fault in the inflated body. */
export interface JobError {
  code: string;
  detail: string;
  line: number | null;
  byteOffset: number | null;
  record: number | null;
}

/** The code of the warning about fields that are not known here: it is about the bytes alone. */
export const UNKNOWN_FIELD = 'unknown_field';

/** Something that the sender should know though nothing was refused. */
export interface JobWarning {
  code: string;
  detail: string;
  [more: string]: unknown;
}
