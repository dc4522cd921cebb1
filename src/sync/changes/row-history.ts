import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { Cursors, listScope } from '../../http/cursors.js';
import type { Page, PageQuery } from '../../http/paging.js';
import { Refusal } from '../../http/refusal.js';
import type { Definition } from '../../definitions/definition.js';
import { isStorable } from '../../values/text.js';
import { type BoundedRow, roomFor, withinBytes } from '../../database/page-bytes.js';
import { Sources } from '../sources/sources.js';
import type { HistoryItem } from './change.dto.js';
import type { ChangedRow } from './changed-rows.js';
import { MirrorChanges } from './mirror-changes.js';

interface HistoryRow extends ChangedRow, BoundedRow {
  /** Milliseconds. */
  time: string;
  job_id: string;
}

/** Behind every time that a row can carry. */
const END_OF_TIME_MS = 253_402_300_799_999;

/** Tells what a row went through, live or deleted, as far back as changes are kept. */
@Injectable()
export class RowHistory {
  constructor(
    private readonly em: EntityManager,
    private readonly changes: MirrorChanges,
    private readonly sources: Sources,
    private readonly cursors: Cursors,
  ) {}

  /** Newest first. @throws Refusal 404 if the source never had such a row */
  async page(
    { name }: Definition,
    source: string,
    externalId: string,
    { limit, cursor }: PageQuery,
  ): Promise<Page<HistoryItem>> {
    const sourceId = await this.sources.find(source);
    const scope = listScope('history', sourceId, { name, externalId });
    const before = this.cursors.readPosition(cursor, scope) ?? END_OF_TIME_MS;
    const changes = this.changes.of(name);
    // PostgreSQL cannot even be asked for what it cannot store.
    if (!isStorable(externalId)) throw Refusal.notFound('row');
    const em = this.em.fork();
    const rows = await em.execute<HistoryRow[]>(
      `with wanted as (
         select ?::int as source_id, ?::text collate "C" as external_id, to_timestamp(?::bigint / 1000.0) as before)
       ${withinBytes(
         `select change.*, (extract(epoch from change.at) * 1000)::bigint::text as time
            from (${changes.ofRow(limit + 1)}) change order by change.at desc limit ${limit + 1}`,
         { columns: ['operation', 'job_id', 'time'], contents: ['before', 'after'], orderBy: 'at desc' },
       )}`,
      [sourceId, externalId, before],
    );
    if (rows.length === 0 && (await em.execute(changes.existence(), [sourceId, externalId])).length === 0) {
      throw Refusal.notFound('row');
    }
    const page = this.cursors.toPage(rows, roomFor(rows, limit), scope, (row) => [row.time]);
    const items = page.items.map((row) => ({
      operation: row.operation,
      at: new Date(Number(row.time)),
      jobId: row.job_id,
      source,
      before: changes.toImage(row.before),
      after: changes.toImage(row.after),
    }));
    return { ...page, items };
  }
}
