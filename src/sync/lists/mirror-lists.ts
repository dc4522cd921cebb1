import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { Cursors, listScope } from '../../http/cursors.js';
import { parseExact } from '../../values/exact-json.js';
import type { Page } from '../../http/paging.js';
import { Refusal } from '../../http/refusal.js';
import { isStorable } from '../../values/text.js';
import { LogHorizons } from '../logs/log-horizons.js';
import { roomFor } from '../../database/page-bytes.js';
import { type MirrorTable, MirrorTables } from '../tables/mirror-table.js';
import type { ListQuery } from './list-query.js';
import { liveRows, type PageEnd, type PageRow, rowColumns, RowPage, showTotals } from './row-page.js';

/** A row as callers see it: its ids, its fields, its totals, its times. */
export type RowView = Record<string, unknown> & { id: number; externalId: string };

/** A row without its place in a page. */
type StoredRow = Pick<PageRow, 'id' | 'external_id' | 'fields' | 'totals' | 'created' | 'updated'>;

/** Reads the live rows of any resource. Rows that wait for a parent are hidden until it arrives. */
@Injectable()
export class MirrorLists {
  constructor(
    private readonly em: EntityManager,
    private readonly tables: MirrorTables,
    private readonly horizons: LogHorizons,
    private readonly cursors: Cursors,
  ) {}

  /** @throws Refusal 404 if there is no live row with that external id */
  async get(resource: string, sourceId: number, externalId: string): Promise<RowView> {
    const mirror = this.tables.of(resource);
    // PostgreSQL refuses a parameter with a NUL or an unpaired surrogate.
    const rows = isStorable(externalId)
      ? await this.em
          .fork()
          .execute<StoredRow[]>(`select ${rowColumns(mirror)} from ${liveRows(mirror, '?')} and t.external_id = ?`, [
            sourceId,
            externalId,
          ])
      : [];
    const [row] = rows;
    if (!row) throw Refusal.notFound('row');
    return toView(mirror, row);
  }

  /** @throws Refusal 400, or 410 if the keys of the time of the first page are no longer kept */
  async list(resource: string, sourceId: number, query: ListQuery): Promise<Page<RowView>> {
    const mirror = this.tables.of(resource);
    const { limit, cursor, ...filters } = query;
    const { sort } = filters;
    const scope = listScope(resource, sourceId, filters);
    const end = pageEndOf(this.cursors.read(cursor, scope, 3));
    const { sql, values } = new RowPage(mirror, sourceId, query, end).statement();
    const rows = await this.em.fork().execute<PageRow[]>(sql, values);
    if (end && sort !== null && (await this.horizons.isGone('change', new Date(Number(end.asOf)), mirror.resource))) {
      throw new Refusal(410, 'cursor_gone', 'This cursor is too old. Begin with the first page again.');
    }
    const keyOf = (row: PageRow) => {
      // In the order of external ids the key is the id itself, which may be too long to be there twice.
      const key = sort === null || row.sort_key === null ? '' : `=${row.sort_key}`;
      return [end?.asOf ?? row.as_of, key, row.external_id];
    };
    const page = this.cursors.toPage(rows, roomFor(rows, limit), scope, keyOf);
    return { ...page, items: page.items.map((row) => toView(mirror, row)) };
  }
}

/** A key that is there has a `=` before it. */
function pageEndOf(cursor: string[] | null): PageEnd | null {
  if (cursor === null) return null;
  const [asOf = '', key = '', externalId = ''] = cursor;
  return { asOf, key: key === '' ? null : key.slice(1), externalId };
}

function toView(mirror: MirrorTable, row: StoredRow): RowView {
  const stored = parseExact(row.fields) as Record<string, unknown>;
  const fields = mirror.columns.map(({ field, type }): [string, unknown] => {
    const value = stored[field] ?? null;
    return [field, value === null ? null : type.show(value)];
  });
  return {
    id: Number(row.id),
    externalId: row.external_id,
    ...Object.fromEntries(fields),
    ...showTotals(mirror, row.totals),
    created: new Date(row.created),
    updated: new Date(row.updated),
  };
}
