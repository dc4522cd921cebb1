import { declaredResources, tablesOf } from '../../src/installation.js';
import { jsonObject } from '../../src/sync/tables/mirror-sql.js';
import type { MirrorTable } from '../../src/sync/tables/mirror-table.js';
import { verifyMirror } from '../../src/sync/verify/verify-mirror.js';
import { Sender } from '../http/sender.js';
import type { TestServer } from '../setup/test-server.js';

/** What is stored for a source. */
export interface Account {
  /** By resource, with links and totals, and the commits of its feed: what changes in the moment of a job's commit. */
  rows: Record<string, unknown>;
  /** Changes, plans and errors. */
  logs: Record<string, unknown>;
  /** What is told of every job. */
  jobs: unknown;
  /** The change feed as its consumers read it. */
  feed: unknown;
  /** What `mirror verify` finds, of all sources. */
  faults: unknown;
}

/** All that is stored for a source but ids and times. */
export async function accountOf(server: TestServer, source: string): Promise<Account> {
  const tables = tablesOf(await declaredResources(server.config));
  const rows: Record<string, unknown> = {};
  for (const mirror of tables.all) {
    const [row] = await server.query(rowsOf(mirror), [source]);
    rows[mirror.resource] = row.rows;
  }
  const [{ commits, jobs, ...logs }] = (await server.query(LOGS, [source])) as [Record<string, unknown>];
  const { items } = await new Sender(server, source).get<{ items: FeedItem[] }>('/changes?limit=1000');
  const feed = items.map(({ resource, externalId, operation, before, after }) => {
    return { resource, externalId, operation, before, after };
  });
  const { faults } = await verifyMirror(server.databaseUrl, tables, { source: null, resource: null });
  return { rows: { ...rows, commits }, logs, jobs, feed, faults };
}

interface FeedItem {
  resource: string;
  externalId: string;
  operation: string;
  before: unknown;
  after: unknown;
}

/** SQL: the rows of a resource, each with what it is linked to, whether it is live, and whether it has ever changed. */
function rowsOf({ table, columns, links, totals, totalsTable }: MirrorTable): string {
  const linked = links.map(({ parent, parentTable, linkColumn }): [string, string] => [
    `linked to ${parent.name}`,
    `(select p.external_id from ${parentTable} p where p.source_id = t.source_id and p.id = t.${linkColumn})`,
  ]);
  const kept = totals.map(({ name, column }): [string, string] => [
    name,
    `(select kept.${column} from ${totalsTable} kept where kept.source_id = t.source_id and kept.id = t.id)`,
  ]);
  const values = columns.map(({ field, column }): [string, string] => [field, `t.${column}`]);
  const state: [string, string][] = [
    ['externalId', 't.external_id'],
    ['live', 't.deleted_at is null'],
    ['fresh', 't.created = t.updated'],
  ];
  return `select json_agg(${jsonObject([...state, ...values, ...linked, ...kept])} order by t.external_id) as rows
            from ${table} t where t.source_id = (select id from source where name = $1)`;
}

const LOGS = `
  with mine as (select id from source where name = $1),
  jobs as (
    select seq, resource, mode, status, counts, plan, error, warnings, processed, window_from, window_to,
           row_number() over (order by id) as place, id
      from sync_job where source_id = (table mine))
  select
    (select json_agg(json_build_object('seq', c.seq, 'place', place, 'resource', c.resource, 'rows', c.rows) order by c.seq)
       from mirror_commit c join jobs on jobs.id = c.job_id) as commits,
    (select json_agg(json_build_object('place', place, 'operation', c.operation, 'id', external_id, 'before', c.before)
                     order by place, c.external_id)
       from change c join jobs on jobs.id = c.job_id) as changes,
    (select json_agg(json_build_object('place', place, 'ordinal', ordinal, 'id', external_id, 'operation', operation,
                                       'before', before, 'after', after) order by place, ordinal)
       from planned_change p join jobs on jobs.id = p.job_id) as planned,
    (select json_agg(json_build_object('place', place, 'index', index, 'code', code, 'errors', errors) order by place, index)
       from sync_error e join jobs on jobs.id = e.job_id) as errors,
    (select json_agg(json_build_object('resource', resource, 'mode', mode, 'from', window_from, 'to', window_to, 'status', status,
                                       'counts', counts, 'plan', plan, 'error', error, 'warnings', warnings,
                                       'processed', processed) order by place)
       from jobs) as jobs`;
