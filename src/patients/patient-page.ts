import { prefixPattern, stateOf, totalsImage } from '../sync/lists/row-page.js';
import type { Log } from '../sync/logs/log-horizons.js';
import type { MirrorTable } from '../sync/tables/mirror-table.js';
import type { PatientSort } from './patient.dto.js';

/** Which patients to list, checked. */
export interface PatientFilter {
  paymentMin?: string;
  paymentMax?: string;
  /** The start of a first or last name, in any case. */
  q?: string;
  sort: PatientSort;
  limit: number;
  cursor?: string;
}

export interface Order {
  /**
   * The sort key in SQL, of a patient `p` or of the totals `kept` of one. Each has an index that begins with the source and ends
   * with the external id.
   */
  key: string;
  of: 'p' | 'kept';
  descending: boolean;
  /** Where earlier values of the key are logged, by row and time; null for keys that never change. */
  history: { log: Log; rows: string } | null;
}

const TOTAL_HISTORY = {
  log: 'total_change' as const,
  rows: `select row_id, at, before from total_change where source_id = :source and resource = 'patients'`,
};

const LAST_NAME_HISTORY = {
  log: 'change' as const,
  rows: `select row_id, at, (before->>'lastName') collate "C" as before from change
          where source_id = :source and resource = 'patients' and operation = 'updated'`,
};

export const ORDERS: Record<PatientSort, Order> = {
  externalId: { key: 'external_id', of: 'p', descending: false, history: null },
  paymentsTotal: { key: 'payments_total', of: 'kept', descending: false, history: TOTAL_HISTORY },
  '-paymentsTotal': { key: 'payments_total', of: 'kept', descending: true, history: TOTAL_HISTORY },
  lastName: { key: 'last_name collate "C"', of: 'p', descending: false, history: LAST_NAME_HISTORY },
};

/** Where a page ended: the state that the first page showed, the key that the last row had then, and its external id. */
export interface PageEnd {
  asOf: string;
  key: string;
  externalId: string;
}

// Pages are read without entities: making 50 of them takes longer than the rest of the request.
const COLUMNS = `p.id, p.external_id, p.first_name, p.last_name, p.middle_name, p.date_of_birth,
  (extract(epoch from p.created) * 1000)::float8 as created,
  (extract(epoch from p.updated) * 1000)::float8 as updated`;

/** So many patients are sorted by total in about ten milliseconds. */
const FEW_NAMES = 5_000;

/** Builds the statement of one page: first which patients are on it, then what they tell. */
export class PatientPage {
  private readonly values: unknown[] = [];

  constructor(
    private readonly mirror: MirrorTable,
    private readonly sourceId: number,
    private readonly filter: PatientFilter,
    private readonly order: Order,
    private readonly end: PageEnd | null,
  ) {}

  statement(): { sql: string; values: unknown[] } {
    const { order, end, mirror } = this;
    const state = stateOf(this.bind(this.sourceId));
    const page = end !== null && order.history !== null ? this.laterPage(order.history.rows, end) : this.page();
    const sql = `
      select ${COLUMNS}, ${totalsImage(mirror)} as totals, page.sort_key, (${state}) as as_of
        from (${page}) page
        join ${mirror.view} p on p.source_id = ${this.bind(this.sourceId)} and p.id = page.id
        left join ${mirror.totalsTable} totals on totals.source_id = p.source_id and totals.id = p.id
       order by page.sort_key ${this.direction}, page.external_id`;
    return { sql, values: this.values };
  }

  /** Rows whose key is unchanged are found by the index, the others by the key that they had. */
  private laterPage(history: string, end: PageEnd): string {
    this.values.push(this.sourceId, end.asOf);
    const moved = `select distinct on (row_id) row_id, before from (${history.replace(':source', '?')}) h
                    where at > to_timestamp(?::bigint / 1000.0) order by row_id, at`;
    // PostgreSQL cannot tell how many rows `moved` has. With `not exists` and few expected it looked through all of them for
    // each patient; with `not in` and many expected it would too. Of an array it expects ten elements, and hashes them.
    const unmoved = this.page(`and ${this.of}.id not in (select unnest(array_agg(row_id)) from moved)`);
    const from = `${this.relations()} join moved on moved.row_id = ${this.of}.id`;
    const movedRows = this.select({ from, where: () => this.start(), key: 'moved.before' });
    return `with moved as materialized (${moved}) ${this.either(unmoved, movedRows)}`;
  }

  /** Ids of patients with what they are sorted by. */
  private page(condition = ''): string {
    return this.of === 'kept' && this.filter.q !== undefined
      ? this.pageOfNames(condition)
      : this.select({ from: this.relations(), where: () => `${this.start()} ${condition}` });
  }

  /**
   * Patients by total whose name begins with something. Few of them are sorted; many are soon met in the order of the totals.
   * The planner cannot tell which is so, and both take long for the other: 0.7 s for 200 of 100,000 patients in the order of the
   * totals.
   */
  private pageOfNames(condition: string): string {
    const patients = this.patients();
    const named = `select p.id from ${patients} where p.source_id = ${this.bind(this.sourceId)} ${this.start()} limit ${FEW_NAMES + 1}`;
    const areFew = `(select count(*) from named) <= ${FEW_NAMES}`;
    const few = this.select({
      from: `${this.totals()} join named on named.id = kept.id`,
      where: () => `and ${areFew} ${condition}`,
    });
    // With a limit it is planned as what it is: one look-up for each row.
    const isNamed = `select from ${patients} where p.source_id = kept.source_id and p.id = kept.id ${this.start()} limit 1`;
    const many = this.select({
      from: `${this.totals()} cross join lateral (${isNamed}) named`,
      where: () => `and not ${areFew} ${condition}`,
    });
    return `with named as materialized (${named}) ${this.either(few, many)}`;
  }

  private select({ from, where, key = this.key }: { from: string; where: () => string; key?: string }): string {
    const { of } = this;
    return `select ${of}.id, ${of}.external_id, ${key} as sort_key from ${from}
             where ${of}.source_id = ${this.bind(this.sourceId)} ${this.range()} ${where()} ${this.after(key)}
             order by ${key} ${this.direction}, ${of}.external_id limit ${this.filter.limit + 1}`;
  }

  private either(one: string, other: string): string {
    return `select * from ((${one}) union all (${other})) either
             order by sort_key ${this.direction}, external_id limit ${this.filter.limit + 1}`;
  }

  /**
   * Where the page is read from: one table and its index, unless it is sorted by the one and restricted by the other. The planner
   * takes a join of the two for much smaller than it is where there are many sources, and would sort all of it.
   */
  private relations(): string {
    const needsPatients = this.of === 'p' || this.filter.q !== undefined;
    const needsTotals = this.of === 'kept' || this.hasRange;
    if (!needsTotals) return this.patients();
    if (!needsPatients) return this.totals();
    return `${this.patients()} join ${this.totals()} on kept.source_id = p.source_id and kept.id = p.id`;
  }

  private patients(): string {
    return `(select * from ${this.mirror.view} where deleted_at is null) p`;
  }

  private totals(): string {
    return `${this.mirror.totalsView} kept`;
  }

  private get hasRange(): boolean {
    return this.filter.paymentMin !== undefined || this.filter.paymentMax !== undefined;
  }

  /** Totals know the external ids too. */
  private get of(): 'p' | 'kept' {
    const needsNoPatient = this.order.key === 'external_id' && this.hasRange && this.filter.q === undefined;
    return needsNoPatient ? 'kept' : this.order.of;
  }

  private get key(): string {
    return `${this.of}.${this.order.key}`;
  }

  private get direction(): string {
    return this.order.descending ? 'desc' : 'asc';
  }

  private range(): string {
    const { paymentMin, paymentMax } = this.filter;
    const min = paymentMin === undefined ? '' : `and kept.payments_total >= ${this.bind(paymentMin)}`;
    return paymentMax === undefined ? min : `${min} and kept.payments_total <= ${this.bind(paymentMax)}`;
  }

  private start(): string {
    if (this.filter.q === undefined) return '';
    const pattern = prefixPattern(this.filter.q);
    const matches = (column: string) => `lower(p.${column}) collate "C" like lower(${this.bind(pattern)})`;
    return `and (${matches('first_name')} or ${matches('last_name')})`;
  }

  /** Ties are broken by the external id, ascending in every order. */
  private after(key: string): string {
    if (this.end === null) return '';
    const { end } = this;
    if (this.order.key === 'external_id') return `and ${key} > ${this.bind(end.externalId)}`;
    const beyond = this.order.descending ? '<' : '>';
    // The first condition follows from the second, but the index can start at it.
    return `and ${key} ${beyond}= ${this.bind(end.key)}
            and (${key} ${beyond} ${this.bind(end.key)} or ${this.of}.external_id > ${this.bind(end.externalId)})`;
  }

  private bind(value: unknown): string {
    this.values.push(value);
    return '?';
  }
}
