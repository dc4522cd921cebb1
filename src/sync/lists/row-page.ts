import { INTEGER } from '../../definitions/column-types.js';
import { EXTERNAL_ID } from '../../definitions/definition.js';
import { identifier, literal } from '../../database/database.js';
import { parseExact } from '../../values/exact-json.js';
import { comparison, jsonImage, jsonObject } from '../tables/mirror-sql.js';
import type { MirrorTable } from '../tables/mirror-table.js';
import { type BoundedRow, withinBytes } from '../../database/page-bytes.js';
import type { Condition, ListQuery } from './list-query.js';

/** Where a page ended: the state that the first page showed, and the key and external id that its last row had then. */
export interface PageEnd {
  /** Milliseconds. */
  asOf: string;
  key: string | null;
  externalId: string;
}

/** A row of a page: its fields as JSON text, times in milliseconds, the key that it is sorted by as text. */
export interface PageRow extends BoundedRow {
  id: string;
  external_id: string;
  fields: string;
  totals: string;
  created: number;
  updated: number;
  sort_key: string | null;
  as_of: string;
}

/**
 * The earliest date of the state that a first page shows, however long ago the last job was: otherwise the cursors of a
 * source without new jobs would be as old as its last job. No transaction that changes rows takes this long.
 */
const OLDEST_STATE = `now() - interval '1 day'`;

/** SQL: the state of a source that a statement sees, as the time of its last change in milliseconds. */
export function stateOf(sourceId: string): string {
  return `select (extract(epoch from greatest(max(applied_at), ${OLDEST_STATE})) * 1000)::bigint::text from mirror_state
           where source_id = ${sourceId}`;
}

/** A pattern for `like` that finds what begins with a text, whose `%` and `_` stand for themselves. */
export function prefixPattern(text: string): string {
  return `${text.replace(/[\\%_]/g, String.raw`\$&`)}%`;
}

/** SQL: a row `totals` with the totals of a row as JSON text, for {@link showTotals}. */
export function totalsImage({ totals }: MirrorTable): string {
  return `${jsonObject(totals.map(({ name, column }) => [name, `totals.${column}::text`]))}::text`;
}

/** Totals as they leave, in their order. @param image from {@link totalsImage} */
export function showTotals({ totals }: MirrorTable, image: string): Record<string, unknown> {
  const counted = JSON.parse(image) as Record<string, string | null>;
  const shown = totals.map(({ name, sumOf }): [string, unknown] => {
    return [name, (sumOf?.type ?? INTEGER).show(parseExact(counted[name] ?? '0'))];
  });
  return Object.fromEntries(shown);
}

/** The columns of {@link PageRow} but the last two, of a row `t` of the resource's view. */
export function rowColumns(mirror: MirrorTable): string {
  return `t.id, t.external_id,
    ${jsonImage(mirror.columns, ({ column }) => `t.${column}`)}::text as fields,
    ${totalsImage(mirror)} as totals,
    (extract(epoch from t.created) * 1000)::float8 as created, (extract(epoch from t.updated) * 1000)::float8 as updated`;
}

/** What follows `from`: the live rows that wait for no parent, with their totals. A `where` with conditions may go on with `and`. */
export function liveRows(mirror: MirrorTable, sourceId: string, join = ''): string {
  const totals =
    mirror.totals.length > 0
      ? `left join ${mirror.totalsTable} totals on totals.source_id = t.source_id and totals.id = t.id`
      : '';
  return `${mirror.view} t ${join} ${totals}
    where t.source_id = ${sourceId} and t.deleted_at is null and ${mirror.isRowResolved('t')}`;
}

/**
 * Builds the statement of one page. The key that rows are sorted by may change while a caller goes from page to page; so the
 * pages after the first one sort by the keys that the rows had when the first one was read: no row that stays is skipped or
 * repeated.
 */
export class RowPage {
  private readonly values: unknown[] = [];
  /** The sort key in SQL, of a row `t`. */
  private readonly key: string;

  constructor(
    private readonly mirror: MirrorTable,
    private readonly sourceId: number,
    private readonly query: ListQuery,
    private readonly end: PageEnd | null,
  ) {
    this.key = `t.${query.sort === null ? 'external_id' : this.columnOf(query.sort.field)}`;
  }

  statement(): { sql: string; values: unknown[] } {
    const { end, query } = this;
    // External ids never change.
    const moving = query.sort?.field === EXTERNAL_ID ? undefined : query.sort?.field;
    const sql = end !== null && moving !== undefined ? this.laterPage(end, moving) : this.oneOf(this.parts());
    const columns = ['id', 'external_id', 'totals', 'created', 'updated', 'sort_key', 'as_of'];
    const orderBy = this.order('raw_key', '');
    return { sql: withinBytes(sql, { columns, contents: ['fields'], orderBy }), values: this.values };
  }

  /** Rows whose key is unchanged are found by the index, the others by the key that they had. */
  private laterPage(end: PageEnd, field: string): string {
    const { type } = this.mirror.column(field);
    const source = this.bind(this.sourceId);
    // Each column with its table, as a field may be called like a column of the log.
    const moved = `select distinct on (c.row_id) c.row_id, image.${identifier(field)} as before
                     from change c cross join lateral jsonb_to_record(c.before) as image(${identifier(field)} ${type.sql})
                    where c.source_id = ${source} and c.resource = ${literal(this.mirror.resource)} and c.operation = 'updated'
                      and c.at > to_timestamp(${this.bind(end.asOf)}::bigint / 1000.0) order by c.row_id, c.at`;
    // PostgreSQL cannot tell how many rows `moved` has. With `not exists` and few expected it looked through all of them for
    // each row; with `not in` and many expected it would too. Of an array it expects ten elements, and hashes them.
    const unmoved = this.parts('and t.id not in (select unnest(array_agg(row_id)) from moved)');
    const movedRows = this.parts('', 'moved.before', 'join moved on moved.row_id = t.id');
    return `with moved as materialized (${moved}) ${this.oneOf([...unmoved, ...movedRows])}`;
  }

  /** The first rows of statements that each have them in the order of the page. */
  private oneOf(parts: string[]): string {
    if (parts.length === 1) return parts.join('');
    const either = parts.map((part) => `(${part})`).join(' union all ');
    return `select * from (${either}) either ${this.orderBy('either.raw_key', 'either.')}`;
  }

  /** Rows with a value and those without are read apart, as an index can begin at a place for each, but not for both at once. */
  private parts(condition = '', key = this.key, join = ''): string[] {
    return this.beyond(key).map((beyond) => {
      const select = `select ${rowColumns(this.mirror)}, (${key})::text as sort_key, ${key} as raw_key, (${stateOf(this.bind(this.sourceId))}) as as_of`;
      const from = liveRows(this.mirror, this.bind(this.sourceId), join);
      const conditions = [this.conditions(), this.search(), condition, beyond()];
      return `${select} from ${from} ${conditions.join(' ')} ${this.orderBy(key, 't.')}`;
    });
  }

  /** Ties are broken by the external id, ascending in every order. Rows without a value come last, or first in a descending order. */
  private orderBy(key: string, alias: string): string {
    return `order by ${this.order(key, alias)} limit ${this.query.limit + 1}`;
  }

  private order(key: string, alias: string): string {
    const { sort } = this.query;
    return sort === null ? `${alias}external_id` : `${key} ${sort.descending ? 'desc' : 'asc'}, ${alias}external_id`;
  }

  private conditions(): string {
    return this.query.conditions.map((condition) => `and ${this.condition(condition)}`).join(' ');
  }

  /** The children of a parent are found by the link to it, which has an index: a row that is listed has it. */
  private condition({ field, operator, value }: Condition): string {
    if (operator !== '=') {
      const column = this.mirror.column(field);
      return comparison(column, `t.${column.column}`, operator, value, (bound) => this.bind(bound));
    }
    const link = this.mirror.links.find(({ by }) => by.field === field);
    if (!link) return `t.${this.columnOf(field)} = ${this.bind(value)}`;
    return `t.${link.linkColumn} = (
      select p.id from ${link.parentTable} p
       where p.source_id = ${this.bind(this.sourceId)} and p.deleted_at is null and p.external_id = ${this.bind(value)})`;
  }

  private search(): string {
    const { search } = this.query;
    if (search === null) return '';
    const pattern = prefixPattern(search);
    const matches = this.mirror.definition.list.search.map(
      (field) => `lower(t.${this.columnOf(field)} collate "default") collate "C" like lower(${this.bind(pattern)})`,
    );
    return `and (${matches.join(' or ')})`;
  }

  /** What is true of a row after the end of the page before: one of these. To be bound in the order of the statement. */
  private beyond(key: string): (() => string)[] {
    if (this.end === null) return [() => ''];
    const { key: last, externalId } = this.end;
    const { sort } = this.query;
    const isNext = () => `t.external_id > ${this.bind(externalId)}`;
    if (sort === null) return [() => `and ${isNext()}`];
    if (last === null) {
      const withoutValue = () => `and ${key} is null and ${isNext()}`;
      return sort.descending ? [withoutValue, () => `and ${key} is not null`] : [withoutValue];
    }
    const beyond = sort.descending ? '<' : '>';
    // The first condition follows from the second, but the index can start at it.
    const withValue = () =>
      `and ${key} ${beyond}= ${this.bind(last)} and (${key} ${beyond} ${this.bind(last)} or ${isNext()})`;
    // A required field may be lacking in rows from before it was that.
    return sort.descending || sort.field === EXTERNAL_ID ? [withValue] : [withValue, () => `and ${key} is null`];
  }

  private columnOf(field: string): string {
    return field === EXTERNAL_ID ? 'external_id' : this.mirror.column(field).column;
  }

  private bind(value: unknown): string {
    this.values.push(value);
    return '?';
  }
}
