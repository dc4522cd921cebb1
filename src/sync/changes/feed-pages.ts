import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { literal } from '../../database/database.js';
import { type BoundedRow, roomFor, withinBytes } from '../../database/page-bytes.js';
import type { FeedItem } from './change.dto.js';
import { AppliedChanges, type ChangedResource } from './applied-changes.js';
import type { ChangedRow, ChangedRows } from './changed-rows.js';
import type { FeedPosition } from './feed-position.js';

/** Some changes of a source, and the state of its feed at that moment. */
export interface FeedPage {
  items: FeedItem[];
  /** Where to go on. */
  next: FeedPosition;
  /** Whether there is more already. */
  hasMore: boolean;
  /** The oldest commit that is kept; one more than the last commit if none is. */
  firstKept: number;
  lastCommit: number;
}

/** The numbers of commits that every answer of the database has. */
interface FeedState {
  last_commit: string;
  first_kept: string;
  next_seq: string;
}

interface NearCommits extends FeedState {
  /** The last commit that is needed to fill the page. */
  last_seq: string | null;
  /** Null if there are no commits. */
  resources: ChangedResource[] | null;
}

interface FeedRow extends ChangedRow, FeedState, BoundedRow {
  /** Null, as everything that follows, if there is nothing at this position. */
  seq: string | null;
  resource: string;
  job_id: string;
  /** Milliseconds. */
  time: string;
}

/** Reads a source's changes in the order of their commits, and within a commit by row id. */
@Injectable()
export class FeedPages {
  constructor(
    private readonly em: EntityManager,
    private readonly changes: AppliedChanges,
  ) {}

  /**
   * Asks first which resources the next commits are of, as there may be hundreds, then for their changes. What is no longer kept
   * by then shows in the second answer.
   */
  async read(sourceId: number, from: FeedPosition, limit: number, resource?: string): Promise<FeedPage> {
    const em = this.em.fork();
    const size = limit + 1;
    const isWanted = resource === undefined ? 'true' : `resource = ${literal(resource)}`;
    const [near] = await em.execute<NearCommits[]>(nearCommits(size, isWanted), [
      from.row,
      from.seq,
      sourceId,
      from.seq,
      sourceId,
    ]);
    if (near?.resources == null) return emptyPage(near);
    const changes = await this.changes.of(near.resources);
    const rows = await em.execute<FeedRow[]>(pageOf([...changes.values()], size, isWanted), [
      from.row,
      from.seq,
      sourceId,
      from.seq,
      near.last_seq,
      near.last_seq,
      sourceId,
    ]);
    const found = rows.filter((row) => row.seq !== null);
    const { lastCommit, firstKept, nextSeq } = stateOf(rows[0]);
    const room = roomFor(found, limit);
    return {
      items: found.slice(0, room).map((row) => toItem(changes, row)),
      next: nextPosition(found, room) ?? { seq: nextSeq, row: 0 },
      hasMore: found.length > room || nextSeq <= lastCommit,
      firstKept,
      lastCommit,
    };
  }

  /** The number of the source's last commit, 0 if there was none. */
  async lastCommit(sourceId: number): Promise<number> {
    const [row] = await this.em
      .fork()
      .execute<{ last_commit: string }[]>('select last_commit from source where id = ?', [sourceId]);
    return Number(row?.last_commit ?? 0);
  }
}

/** The commits from a position on that fill a page of `size` rows: `near`, and of those `job` with the ranges of created ids. */
function commitsOf(size: number, isWanted: string): string {
  return `
    near as (
      select commit.*, case when seq = first_seq then first_row else 0 end as after_row,
             coalesce(sum(rows) filter (where seq > first_seq) over earlier, 0) as rows_before
        from (
          select *, ?::bigint as first_row, ?::bigint as first_seq from mirror_commit
           where source_id = ? and seq >= ? and ${isWanted} order by seq limit ${size}) commit
      window earlier as (order by seq rows between unbounded preceding and 1 preceding)
    ), job as (
      select near.*, created_after_id, created_up_to_id
        from near join sync_job on sync_job.id = near.job_id where rows_before < ${size}
    )`;
}

/** The state of the feed, and the resources of the commits that fill a page. */
function nearCommits(size: number, isWanted: string): string {
  return `
    with ${commitsOf(size, isWanted)}
    select source.last_commit, coalesce(oldest.seq, last_commit + 1) as first_kept, last_commit + 1 as next_seq,
           (select max(seq) from job) as last_seq,
           (select json_agg(json_build_object('name', resource, 'version', version))
              from (select distinct resource from job) touched
              left join resource_definition on name = resource) as resources
      from source
     cross join lateral (select min(seq) as seq from mirror_commit where source_id = source.id) oldest
     where source.id = ?`;
}

/**
 * One statement, so that rows, commits and the logs' horizon are of one moment. Commits change at least a row each, so
 * no more than `size` of them are looked at, and of those only as many as fill the page: whether commits are small or
 * huge, some three times `size` rows are read at most (the rest of the first commit, those in the middle, the start
 * of the last). Should somebody have removed rows by hand, the page is short; so it says itself which commit is next. The
 * state of the feed comes with the rows, or by itself if there are none.
 * @param changes of the resources of these commits
 */
function pageOf(changes: ChangedRows[], size: number, isWanted: string): string {
  const changed = changes.map((rows) => `select ${COLUMNS} from ${rows.ofJob(size)} changed`);
  const page = `
    select job.seq, job.resource, job.job_id, (extract(epoch from job.at) * 1000)::bigint::text as time, changed.*
      from job cross join lateral (${changed.join(' union all ')}) changed
     order by job.seq, changed.row_id limit ${size}`;
  const columns = ['seq', 'resource', 'job_id', 'time', 'row_id', 'external_id', 'operation'];
  return `
    with ${commitsOf(size, `seq <= ? and ${isWanted}`)},
    change_page as (${withinBytes(page, { columns, contents: ['before', 'after'], orderBy: 'seq, row_id' })})
    select source.last_commit, coalesce(oldest.seq, last_commit + 1) as first_kept,
           coalesce(following.seq, last_commit + 1) as next_seq, change_page.*
      from source
     cross join lateral (select min(seq) as seq from mirror_commit where source_id = source.id) oldest
     cross join lateral (
       select min(seq) as seq from mirror_commit where source_id = source.id and seq > ? and ${isWanted}) following
      left join change_page on true
     where source.id = ?
     order by change_page.seq, change_page.row_id`;
}

const COLUMNS = 'row_id, external_id, operation, before, after';

function stateOf(row: FeedState | undefined): Pick<FeedPage, 'firstKept' | 'lastCommit'> & { nextSeq: number } {
  const lastCommit = Number(row?.last_commit ?? 0);
  return {
    lastCommit,
    firstKept: Number(row?.first_kept ?? lastCommit + 1),
    nextSeq: Number(row?.next_seq ?? lastCommit + 1),
  };
}

function emptyPage(state: FeedState | undefined): FeedPage {
  const { lastCommit, firstKept, nextSeq } = stateOf(state);
  return { items: [], next: { seq: nextSeq, row: 0 }, hasMore: false, firstKept, lastCommit };
}

function toItem(changes: ReadonlyMap<string, ChangedRows>, row: FeedRow): FeedItem {
  const rows = changes.get(row.resource);
  if (!rows) throw new Error('a page of the feed has rows of a resource that it was not asked for');
  return {
    resource: row.resource,
    externalId: row.external_id,
    operation: row.operation,
    at: new Date(Number(row.time)),
    jobId: row.job_id,
    before: rows.toImage(row.before),
    after: rows.toImage(row.after),
  };
}

/** Where the row behind the page is, or null if there is none. */
function nextPosition(rows: FeedRow[], size: number): FeedPosition | null {
  const [last, beyond] = rows.slice(size - 1, size + 1);
  if (!last || !beyond) return null;
  return { seq: Number(beyond.seq), row: beyond.seq === last.seq ? Number(last.row_id) : 0 };
}
