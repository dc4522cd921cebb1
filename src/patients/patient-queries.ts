import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { formatMoney } from '../platform/money.js';
import { Cursors } from '../platform/cursors.js';
import type { Page } from '../platform/paging.js';
import { Refusal } from '../platform/refusal.js';
import { prefixPattern, stateOf } from '../sync/lists/row-page.js';
import { type Log, LogHorizons } from '../sync/log-horizons.js';
import type { PatientSort, PatientView } from './patient.dto.js';

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

interface Order {
  /** The sort key in SQL, of a row of `patient p`. Each has an index that begins with the source and ends with the id. */
  key: string;
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

const ORDERS: Record<PatientSort, Order> = {
  externalId: { key: 'p.external_id', descending: false, history: null },
  paymentsTotal: { key: 'p.payments_total', descending: false, history: TOTAL_HISTORY },
  '-paymentsTotal': { key: 'p.payments_total', descending: true, history: TOTAL_HISTORY },
  lastName: { key: 'p.last_name collate "C"', descending: false, history: LAST_NAME_HISTORY },
};

/** Where a page ended: the state that the first page showed, the key that the last row had then, and its external id. */
interface PageEnd {
  asOf: string;
  key: string;
  externalId: string;
}

/** A patient as PostgreSQL returns it; times are in milliseconds. */
interface PatientRow {
  id: string;
  external_id: string;
  first_name: string;
  last_name: string;
  middle_name: string | null;
  date_of_birth: string | null;
  payments_total: string;
  payments_count: number;
  created: number;
  updated: number;
}

/** A row of a page, with the key that it is sorted by and the time of the state that the page shows. */
interface PageRow extends PatientRow {
  sort_key: string;
  as_of: string;
}

// Pages are read without entities: making 50 of them takes longer than the rest of the request.
const COLUMNS = `p.id, p.external_id, p.first_name, p.last_name, p.middle_name, p.date_of_birth,
  p.payments_total, p.payments_count, (extract(epoch from p.created) * 1000)::float8 as created,
  (extract(epoch from p.updated) * 1000)::float8 as updated`;

/** Queries of the live patients of a source. */
@Injectable()
export class PatientQueries {
  constructor(
    private readonly em: EntityManager,
    private readonly horizons: LogHorizons,
    private readonly cursors: Cursors,
  ) {}

  /**
   * A page in the requested order. Totals and names may change while a caller goes from page to page; so the pages after
   * the first one sort by the keys that the rows had when the first one was read: no row that stays is skipped or repeated.
   * @throws Refusal 400, or 410 if the keys of that time are no longer kept
   */
  async list(sourceId: number, filter: PatientFilter): Promise<Page<PatientView>> {
    const scope = `patients ${filter.sort}`;
    const order = ORDERS[filter.sort];
    const end = pageEndOf(this.cursors.read(filter.cursor, scope, 3));
    const statement = new PatientPage(sourceId, filter, order, end).statement();
    const rows = await this.em.fork().execute<PageRow[]>(statement.sql, statement.values);
    if (end && order.history && (await this.horizons.isGone(order.history.log, new Date(Number(end.asOf))))) {
      throw new Refusal(410, 'cursor_gone', 'This cursor is too old. Begin with the first page again.');
    }
    const keyOf = (row: PageRow) => [end?.asOf ?? row.as_of, row.sort_key, row.external_id];
    const page = this.cursors.toPage(rows, filter.limit, scope, keyOf);
    return { ...page, items: page.items.map(toView) };
  }
}

function pageEndOf(cursor: string[] | null): PageEnd | null {
  if (cursor === null) return null;
  const [asOf = '', key = '', externalId = ''] = cursor;
  return { asOf, key, externalId };
}

/** Builds the statement of one page. */
class PatientPage {
  private readonly values: unknown[] = [];

  constructor(
    private readonly sourceId: number,
    private readonly filter: PatientFilter,
    private readonly order: Order,
    private readonly end: PageEnd | null,
  ) {}

  statement(): { sql: string; values: unknown[] } {
    const { order, end } = this;
    const sql =
      end !== null && order.history !== null ? this.laterPage(order.history.rows, end) : this.page('', order.key);
    return { sql, values: this.values };
  }

  /** Rows whose key is unchanged are found by the index, the others by the key that they had. */
  private laterPage(history: string, end: PageEnd): string {
    const direction = this.order.descending ? 'desc' : 'asc';
    this.values.push(this.sourceId, end.asOf);
    const moved = `select distinct on (row_id) row_id, before from (${history.replace(':source', '?')}) h
                    where at > to_timestamp(?::bigint / 1000.0) order by row_id, at`;
    // PostgreSQL cannot tell how many rows `moved` has. With `not exists` and few expected it looked through all of them for
    // each patient; with `not in` and many expected it would too. Of an array it expects ten elements, and hashes them.
    const unmoved = this.page('and p.id not in (select unnest(array_agg(row_id)) from moved)', this.order.key);
    const movedRows = this.page('', 'moved.before', 'join moved on moved.row_id = p.id');
    return `with moved as materialized (${moved})
            select * from ((${unmoved}) union all (${movedRows})) either
             order by sort_key ${direction}, external_id limit ${this.filter.limit + 1}`;
  }

  private page(condition: string, key: string, join = ''): string {
    const direction = this.order.descending ? 'desc' : 'asc';
    return `select ${COLUMNS}, ${key} as sort_key, (${stateOf(this.bind(this.sourceId))}) as as_of
              from patient_of_source p ${join}
             where p.source_id = ${this.bind(this.sourceId)} and p.deleted_at is null
                   ${this.range()} ${this.start()} ${condition} ${this.after(key)}
             order by ${key} ${direction}, p.external_id limit ${this.filter.limit + 1}`;
  }

  private range(): string {
    const { paymentMin, paymentMax } = this.filter;
    const min = paymentMin === undefined ? '' : `and p.payments_total >= ${this.bind(paymentMin)}`;
    return paymentMax === undefined ? min : `${min} and p.payments_total <= ${this.bind(paymentMax)}`;
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
    if (this.order.key === 'p.external_id') return `and p.external_id > ${this.bind(end.externalId)}`;
    const beyond = this.order.descending ? '<' : '>';
    // The first condition follows from the second, but the index can start at it.
    return `and ${key} ${beyond}= ${this.bind(end.key)}
            and (${key} ${beyond} ${this.bind(end.key)} or p.external_id > ${this.bind(end.externalId)})`;
  }

  private bind(value: unknown): string {
    this.values.push(value);
    return '?';
  }
}

function toView(row: PatientRow): PatientView {
  return {
    id: Number(row.id),
    externalId: row.external_id,
    firstName: row.first_name,
    middleName: row.middle_name,
    lastName: row.last_name,
    dateOfBirth: row.date_of_birth,
    paymentsTotal: formatMoney(row.payments_total),
    paymentsCount: row.payments_count,
    created: new Date(row.created),
    updated: new Date(row.updated),
  };
}
