import type { MirrorTable } from '../tables/mirror-table.js';
import type { FoundTable } from './found-table.js';

/** One thing that applying a definition would change in the database. */
export interface SchemaChange {
  resource: string;
  /** What it does, as a sentence without its subject: `adds the field note`. */
  what: string;
  /** Whether stored values or rows are lost, or get a meaning that the next snapshot has to fill. */
  loses: boolean;
  /** Whether all rows are written anew, while nobody can read or write them. */
  rewrites?: true;
  /** When it is done. All but the indexes are one transaction; those are made one by one, outside of any, as that blocks no writers. */
  step: Step;
  sql: string[];
}

/** In this order: links refer to the tables of other resources, totals to links. A server can do without the last two. */
export const STEPS = ['tables', 'columns', 'links', 'totals', 'definition', 'cleanup', 'indexes'] as const;
export type Step = (typeof STEPS)[number];

/** What a definition said when it was applied last. */
export interface StoredShape {
  version: number;
  shape: {
    key?: unknown;
    duplicates?: unknown;
    fields?: Record<string, string>;
    parents?: Record<string, { resource: string; by: string; totals?: Record<string, string> }>;
    /** There was no file at a later start: its parents may have changed without it. */
    away?: true;
  };
}

/** A table as it is, beside what it should be. */
export interface TablePlan {
  mirror: MirrorTable;
  found: FoundTable;
  stored: StoredShape | null;
  /** Fields with stored values that are longer than they may be now. */
  tooLong: ReadonlySet<string>;
}
