import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { Cursors, listScope } from '../http/cursors.js';
import type { Page } from '../http/paging.js';
import { Refusal } from '../http/refusal.js';
import { showTotals } from '../sync/lists/row-page.js';
import { LogHorizons } from '../sync/logs/log-horizons.js';
import { type MirrorTable, MirrorTables } from '../sync/tables/mirror-table.js';
import type { PatientView } from './patient.dto.js';
import { ORDERS, type PageEnd, type PatientFilter, PatientPage } from './patient-page.js';

/** A patient as PostgreSQL returns it; times are in milliseconds. */
interface PatientRow {
  id: string;
  external_id: string;
  first_name: string;
  last_name: string;
  middle_name: string | null;
  date_of_birth: string | null;
  /** JSON. */
  totals: string;
  created: number;
  updated: number;
}

/** A row of a page, with the key that it is sorted by and the time of the state that the page shows. */
interface PageRow extends PatientRow {
  sort_key: string;
  as_of: string;
}

/** Queries of the live patients of a source. */
@Injectable()
export class PatientQueries {
  constructor(
    private readonly em: EntityManager,
    private readonly horizons: LogHorizons,
    private readonly cursors: Cursors,
    private readonly tables: MirrorTables,
  ) {}

  /**
   * A page in the requested order. Totals and names may change while a caller goes from page to page; so the pages after
   * the first one sort by the keys that the rows had when the first one was read: no row that stays is skipped or repeated.
   * @throws Refusal 400, or 410 if the keys of that time are no longer kept
   */
  async list(sourceId: number, filter: PatientFilter): Promise<Page<PatientView>> {
    const { limit, cursor, ...filters } = filter;
    const scope = listScope('patients', sourceId, filters);
    const order = ORDERS[filter.sort];
    const end = pageEndOf(this.cursors.read(cursor, scope, 3));
    const mirror = this.tables.of('patients');
    const statement = new PatientPage(mirror, sourceId, filter, order, end).statement();
    const rows = await this.em.fork().execute<PageRow[]>(statement.sql, statement.values);
    if (end && order.history && (await this.horizons.isGone(order.history.log, new Date(Number(end.asOf))))) {
      throw new Refusal(410, 'cursor_gone', 'This cursor is too old. Begin with the first page again.');
    }
    const keyOf = (row: PageRow) => [end?.asOf ?? row.as_of, row.sort_key, row.external_id];
    const page = this.cursors.toPage(rows, limit, scope, keyOf);
    return { ...page, items: page.items.map((row) => toView(mirror, row)) };
  }
}

function pageEndOf(cursor: string[] | null): PageEnd | null {
  if (cursor === null) return null;
  const [asOf = '', key = '', externalId = ''] = cursor;
  return { asOf, key, externalId };
}

function toView(mirror: MirrorTable, row: PatientRow): PatientView {
  return {
    id: Number(row.id),
    externalId: row.external_id,
    firstName: row.first_name,
    middleName: row.middle_name,
    lastName: row.last_name,
    dateOfBirth: row.date_of_birth,
    ...(showTotals(mirror, row.totals) as Pick<PatientView, 'paymentsTotal' | 'paymentsCount'>),
    created: new Date(row.created),
    updated: new Date(row.updated),
  };
}
