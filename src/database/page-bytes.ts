/**
 * A page, or what an export holds at once, has no more than this and one row: a record may have a mebibyte, and a page a thousand of
 * them. Records of 4 KB still fill a page of a thousand.
 */
const MAX_PAGE_BYTES = 4 * 1024 ** 2;

/** A row as {@link withinBytes} yields it: one that is beyond the page lacks its contents, and says that there is more. */
export interface BoundedRow {
  is_beyond: boolean;
}

/** How a statement's rows are bounded: what is large in them, what else they have, and their order. */
interface Bounded {
  columns: string[];
  /** Columns of text. */
  contents: string[];
  orderBy: string;
}

/** SQL: the rows of a statement in their order. The contents of those that do not fit into the page do not leave the database. */
export function withinBytes(statement: string, { columns, contents, orderBy }: Bounded): string {
  const bytes = contents.map((column) => `coalesce(octet_length(${column}), 0)`).join(' + ');
  const shown = contents.map(
    (column) => `case when "$bytes_before" < ${MAX_PAGE_BYTES} then ${column} end as ${column}`,
  );
  return `
    select ${[...columns, ...shown].join(', ')}, "$bytes_before" >= ${MAX_PAGE_BYTES} as is_beyond
      from (select page.*, coalesce(sum(${bytes}) over (
                     order by ${orderBy} rows between unbounded preceding and 1 preceding), 0) as "$bytes_before"
              from (${statement}) page) measured
     order by ${orderBy}`;
}

/** How many of these rows make a page of at most `limit`: at least one, if there are any. */
export function roomFor(rows: readonly BoundedRow[], limit: number): number {
  const fitting = rows.findIndex((row) => row.is_beyond);
  return Math.min(limit, fitting === -1 ? rows.length : fitting);
}

/** All rows of an export, as many at a time as fit. @param read up to `limit` rows after the last one, from the first on without one */
export async function* pagesOf<Row extends BoundedRow>(
  read: (last: Row | undefined) => Promise<Row[]>,
  limit: number,
): AsyncGenerator<Row[]> {
  let rows = await read(undefined);
  while (rows.length > 0) {
    const fitting = rows.slice(0, roomFor(rows, limit));
    yield fitting;
    rows = await read(fitting.at(-1));
  }
}
