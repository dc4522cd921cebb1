import type { MirrorModel, ResourceName } from '../test/contract/mirror-model.js';
import type { Database } from './database.js';
import type { Findings } from './findings.js';
import type { Ledger } from './ledger.js';

/** Rules for the stored data once all jobs have ended: each query counts the violations. */
const VIOLATIONS: Record<string, string> = {
  'patients whose total is not the sum of their payments': `
    select count(*) from patient p left join patient_totals t on t.id = p.id left join (
      select patient_id, sum(amount) as total, count(*) as items from payment where deleted_at is null group by 1) own
      on own.patient_id = p.id
     where (t.payments_total, t.payments_count) is distinct from
           (case when p.deleted_at is null then coalesce(own.total, 0) end, case when p.deleted_at is null then coalesce(own.items, 0) end)`,
  'payments linked to a patient that is not theirs, or gone': `
    select count(*) from payment c join patient p on p.id = c.patient_id
     where p.source_id <> c.source_id or p.external_id <> c.patient_external_id
        or (c.deleted_at is null and p.deleted_at is not null)`,
  'payments not linked though their patient is there': `
    select count(*) from payment c join patient p on p.source_id = c.source_id and p.external_id = c.patient_external_id
     where c.patient_id is null and c.deleted_at is null and p.deleted_at is null`,
  'external ids with two rows': `
    select count(*) from (
      select 1 from patient group by source_id, external_id having count(*) > 1
      union all select 1 from payment group by source_id, external_id having count(*) > 1
      union all select 1 from mirrored_doctors group by source_id, external_id having count(*) > 1
      union all select 1 from mirrored_visits group by source_id, external_id having count(*) > 1) twice`,
  'rows whose time is that of no job': `
    select count(*) from (
      select source_id, 'patients' as resource, created, updated from patient
      union all select source_id, 'payments', created, updated from payment
      union all select source_id, 'doctors', created, updated from mirrored_doctors
      union all select source_id, 'visits', created, updated from mirrored_visits) t
     where created > updated
        or not exists (select 1 from sync_job j where j.source_id = t.source_id and j.resource = t.resource
                         and j.applied_at = t.created and j.status = 'completed')
        or not exists (select 1 from sync_job j where j.source_id = t.source_id and j.resource = t.resource
                         and j.applied_at = t.updated and j.status = 'completed')`,
  'jobs whose log of changes is not what they counted': `
    select count(*) from sync_job j
      left join (select job_id, count(*) filter (where operation = 'updated') as updated,
                        count(*) filter (where operation = 'deleted') as deleted from change group by 1) c
        on c.job_id = j.id
     where j.status = 'completed' and not j.dry_run
       and (coalesce(c.updated, 0) <> (j.counts->>'updated')::int or coalesce(c.deleted, 0) <> (j.counts->>'deleted')::int)`,
  'changes logged for jobs that took no effect': `
    select count(*) from change c join sync_job j on j.id = c.job_id where j.status <> 'completed' or j.dry_run`,
  'staging tables of jobs that are not over, or completed': `
    select count(*) from pg_class c join pg_namespace n on n.oid = c.relnamespace and n.nspname = 'staging'
      left join sync_job j on c.relname = 'job_' || j.id
     where c.relkind = 'r' and (j.finished_at is null or j.status = 'completed')`,
  'complete snapshots without a job': `
    select count(*) from snapshot s where complete and not exists (select 1 from sync_job j where j.snapshot_id = s.id)`,
  'snapshots that lack chunks': `
    select count(*) from snapshot s where complete
       and chunks <> (select count(*) from snapshot_chunk c where c.snapshot_id = s.id)`,
  'temporary tables': `select count(*) from pg_class where relpersistence = 't' and relkind = 'r'`,
  'temporary files': `select count(*) from pg_ls_tmpdir()`,
};

/** What may exist for a moment and must be gone soon. */
const SOON_GONE: Record<string, string> = {
  'advisory locks': `select count(*) from pg_locks where locktype = 'advisory'`,
  'transactions that stay open': `
    select count(*) from pg_stat_activity where state like 'idle in transaction%'
       and state_change < clock_timestamp() - interval '2 seconds'`,
};

const SOON_MS = 15_000;

/** What interrupted uploads and jobs leave for the cleaner, which deletes it after two hours and a minute respectively. */
export interface Leftovers {
  uploads: number;
  stagingTables: number;
}

/** Checks the stored data against rules that hold whatever was sent. */
export async function checkInvariants(
  database: Database,
  models: Map<string, MirrorModel>,
  ledger: Ledger,
  findings: Findings,
): Promise<Leftovers> {
  const count = async (sql: string) => Number((await database.query<{ count: string }>(sql))[0]?.count);
  for (const [what, sql] of Object.entries(VIOLATIONS)) {
    const found = await count(sql);
    if (found > 0) findings.add('invariant', `${found} ${what}`);
  }
  for (const [what, sql] of Object.entries(SOON_GONE)) {
    let found = await count(sql);
    for (const deadline = Date.now() + SOON_MS; found > 0 && Date.now() < deadline; found = await count(sql));
    if (found > 0) findings.add('invariant', `${found} ${what}`);
  }
  await checkUnresolved(database, models, findings);
  const uploads = await count('select count(*) from snapshot where not complete');
  const interrupted = ledger.aborted + ledger.repeated;
  if (uploads > interrupted) findings.add('invariant', `${uploads} half uploads, of ${interrupted} interrupted`);
  const stagingTables = await count(`select count(*) from pg_tables where schemaname = 'staging'`);
  return { uploads, stagingTables };
}

/** Rows that wait for a parent are stored but hidden. */
const WAITING: Partial<Record<ResourceName, string>> = {
  payments: `select source_id from payment where patient_id is null and deleted_at is null`,
  visits: `
    select source_id from mirrored_visits
     where ("$link_doctor" is null or ("patientId" is not null and "$link_patient" is null)) and deleted_at is null`,
};

async function checkUnresolved(database: Database, models: Map<string, MirrorModel>, findings: Findings) {
  for (const [resource, waiting] of Object.entries(WAITING)) {
    const rows = await database.query<{ source: string; unresolved: number }>(
      `select source.name as source, count(waiting.source_id)::int as unresolved
         from source left join (${waiting}) waiting on waiting.source_id = source.id group by 1`,
    );
    for (const { source, unresolved } of rows) {
      const expected = models.get(source)?.unresolved(resource as ResourceName) ?? 0;
      if (unresolved !== expected) {
        findings.add('invariant', `${source}: ${unresolved} unresolved ${resource} instead of ${expected}`);
      }
    }
  }
}
