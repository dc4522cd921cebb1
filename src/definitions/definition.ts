import type { EntityManager } from '@mikro-orm/postgresql';
import type { Config } from '../settings/config.js';
import type { ColumnType } from './column-types.js';
import type { ResourceShape } from './resource-shape.js';

/** What the checks of a record may depend on besides the record. */
export interface RecordRules {
  futureBirthDates: Config['FUTURE_BIRTH_DATES'];
  /** The day of the check in UTC, `YYYY-MM-DD`. */
  today: string;
}

/** A check of a value beyond its type. @returns what is wrong, as the end of a sentence that begins with the field */
export type OwnCheck = (value: string, rules: RecordRules) => string | null;

/** A field of a resource's records. */
export interface Field {
  readonly name: string;
  /** As messages call it: `dateOfBirth` is "Date of birth". */
  readonly label: string;
  readonly type: ColumnType;
  /** Whether it may be null or absent. */
  readonly isOptional: boolean;
  readonly check: OwnCheck | null;
}

/** A resource that this one's records hang on: a record is live while each parent that it names is. */
export interface Parent {
  readonly name: string;
  readonly resource: string;
  /** The field with the parent's external id. */
  readonly by: string;
  readonly totals: readonly Total[];
}

/** What a parent's row tells of the live children that name it. */
export interface Total {
  readonly name: string;
  /** The child's field that is summed; null for their number. */
  readonly sumOf: string | null;
}

/** An order in which rows are listed. */
export interface Sort {
  readonly field: string;
  readonly descending: boolean;
}

/** What only definitions in TypeScript may add. */
export interface OwnCode {
  /** The table, where it is not named after the resource, and the columns of fields that are not in snake_case there. */
  table?: string;
  columns?: Record<string, string>;
  checks?: Record<string, OwnCheck>;
  /** The total by which lists are sorted: its earlier values are logged for their later pages. */
  loggedTotal?: string;
  /** A valid record, for the documentation and the contract tests. */
  example?: Record<string, unknown>;
  /** Columns that no record has, for what `follow` finds out about a row: types by name, which begins with `$`. Zero at first. */
  derived?: Record<`$${string}`, 'smallint'>;
  /** Indexes besides those that follow from the lists: what comes after `on` and the table. */
  indexes?: readonly string[];
  /** A rule by which a record is rejected because of others. */
  rule?: OwnRule;
  /** What else a job changes, in the transaction that changes the rows. It may be left out where nothing is different. */
  follow?: (applied: AppliedDifference) => Promise<Followed>;
  /** Resources whose rows `follow` reads, and those whose rows or what was derived from them it changes. */
  reads?: readonly string[];
  changes?: readonly string[];
}

/** A rule about records of a snapshot that only shows beside others. */
export interface OwnRule {
  code: string;
  /** The field that is wrong, and the message about it. @param value what the statement has told of it */
  field: string;
  message: (value: string) => string;
  /**
   * SQL: the records that break it, as rows of `ordinal`, `external_id` and `value`, each record once.
   * @param staged the table of staged records, of which those with `"$rejected"` are none
   * @param live the rows that stay beside them as they are, a relation with the columns of the resource's table
   */
  broken: (staged: string, live: string) => string;
}

/** What `follow` has done. */
export interface Followed {
  /** Rows of other tables that it has touched. */
  touched: TouchedRows[];
  /** What the sender should know of the rows that are different, for the job's warnings. */
  warnings: { code: string; detail: string; [more: string]: unknown }[];
}

/** Rows of a table that a job has created, changed or deleted. */
export interface TouchedRows {
  /** The table's name as an identifier. */
  table: string;
  rows: number;
}

/**
 * What a job has changed. The temporary table `difference` has a row for each row that it touched: `"$operation"` is `I`, `U`,
 * `R` (a deleted row that is back) or `D`; `external_id`; `id`, which is null for `I`; the new values in the columns of the fields,
 * and the old ones in those that `old` names.
 */
export interface AppliedDifference {
  em: EntityManager;
  sourceId: number;
  /** The time of applying. */
  at: Date;
  /** The resource's table, and its rows of this source as a view, which is quicker to search by ranges. */
  table: string;
  view: string;
  /** The column of a field's old value in the table of differences. */
  old: (field: string) => string;
}

/** One kind of record that is mirrored: all that the engine knows of it. Everything else follows. */
export interface Definition {
  readonly name: string;
  /** The fields whose values together are the external id. */
  readonly key: readonly string[];
  readonly fields: readonly Field[];
  readonly parents: readonly Parent[];
  /** The field by whose ranges a snapshot may be complete. */
  readonly window: string | null;
  readonly list: {
    readonly filter: readonly string[];
    readonly range: readonly string[];
    readonly search: readonly string[];
    readonly sort: readonly Sort[];
  };
  /** Whether records that are identical in everything are one row with `copies`, instead of the last one of a key. */
  readonly countsDuplicates: boolean;
  readonly example: Record<string, unknown>;
  readonly own: OwnCode;
  readonly shape: ResourceShape;
}

/** The key of a resource that names none: a field of its own, which is kept as the row's external id alone. */
export const EXTERNAL_ID = 'externalId';

/** How many identical records a row stands for, where duplicates are counted. */
export const COPIES = 'copies';

/** The fields that have columns of their own. */
export function storedFields(definition: Definition): readonly Field[] {
  return definition.fields.filter(({ name }) => name !== EXTERNAL_ID);
}
