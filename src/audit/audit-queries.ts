import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { Cursors, listScope } from '../http/cursors.js';
import type { Page } from '../http/paging.js';
import type { AuditView } from './audit.dto.js';
import { acrossSources, NO_SOURCE } from '../database/source-isolation.js';

/** Which entries to list; undefined fields match all. */
export interface AuditFilter {
  actor?: string;
  action?: string;
  subject?: string;
  source?: string;
  /** The only source whose entries the caller may see. */
  onlySource?: string;
  /** Included. */
  from?: string;
  /** Excluded. */
  to?: string;
}

/** Entries fetched at once for an export. */
const EXPORT_PAGE = 1000;

const CONDITIONS: Record<keyof AuditFilter, string> = {
  actor: 'actor = ?',
  action: 'action = ?',
  subject: 'subject = ?',
  source: 'source = ?',
  onlySource: 'source = ?',
  from: 'at >= ?::timestamptz',
  to: 'at < ?::timestamptz',
};

/** Reads the audit log, newest first. */
@Injectable()
export class AuditQueries {
  constructor(
    private readonly em: EntityManager,
    private readonly cursors: Cursors,
  ) {}

  async page(filter: AuditFilter, limit: number, cursor?: string): Promise<Page<AuditView>> {
    const scope = listScope('audit', NO_SOURCE, { ...filter });
    const rows = await this.before(this.cursors.readPosition(cursor, scope), filter, limit + 1);
    return this.cursors.toPage(rows, limit, scope, ({ seq }) => [String(seq)]);
  }

  /** All entries that exist when it starts. The oldest ones come last and may be deleted before it reaches them. */
  async *all(filter: AuditFilter): AsyncGenerator<AuditView> {
    let rows = await this.before(null, filter, EXPORT_PAGE);
    for (let last = rows.at(-1); last; last = rows.at(-1)) {
      yield* rows;
      rows = rows.length < EXPORT_PAGE ? [] : await this.before(last.seq, filter, EXPORT_PAGE);
    }
  }

  private async before(seq: number | null, filter: AuditFilter, limit: number): Promise<AuditView[]> {
    const wanted = Object.entries(filter).filter(([, value]) => value !== undefined) as [keyof AuditFilter, string][];
    const conditions = [...wanted.map(([name]) => CONDITIONS[name]), ...(seq === null ? [] : ['seq < ?'])];
    const rows = await acrossSources(() =>
      this.em.fork().execute<(Omit<AuditView, 'seq' | 'at'> & { seq: string; at: number })[]>(
        `select seq, (extract(epoch from at) * 1000)::float8 as at, actor, key_id as "keyId", source, action, subject, items,
              address, request_id as "requestId", outcome, status, encode(hash, 'hex') as hash
         from audit_entry ${conditions.length > 0 ? `where ${conditions.join(' and ')}` : ''}
        order by audit_entry.seq desc limit ?`,
        [...wanted.map(([, value]) => value), ...(seq === null ? [] : [seq]), limit],
      ),
    );
    return rows.map((row) => ({ ...row, seq: Number(row.seq), at: new Date(row.at).toISOString() }));
  }
}
