import type { EntityManager } from '@mikro-orm/postgresql';
import type { Config } from '../../settings/config.js';
import { literal } from '../../database/database.js';
import { Refusal } from '../../http/refusal.js';
import { enterPhase } from '../model/job-phases.js';
import { NO_COUNTS } from '../model/job-outcome.js';
import { SyncJob } from '../model/sync-job.entity.js';
import { isLogGone } from '../logs/log-horizons.js';
import { reasonToHold } from './deletion-guard.js';
import { unresolvedCode, waitingFor, waitsFor } from './deferred-errors.js';
import { countLive, sampleDeletions } from './difference.js';
import { type DesiredState, type PlannedChanges, SAMPLE_SIZE } from './desired-state.js';
import { jsonImage } from '../tables/mirror-sql.js';
import type { MirrorTable } from '../tables/mirror-table.js';
import { countTouchedSince, findRevertDifference } from './revert-difference.js';

/** The mirror as it was before another job, as far as that job changed it. */
export class RevertedState implements DesiredState {
  constructor(private readonly config: Config) {}

  /** @throws Refusal 409 if later jobs have touched the same rows meanwhile, 410 if the earlier values have been dropped */
  async compare(em: EntityManager, job: SyncJob, mirror: MirrorTable): Promise<PlannedChanges> {
    enterPhase('count rows');
    const original = await em.findOneOrFail(SyncJob, { id: job.revertOf });
    refuseIfTouched(await countTouchedSince(em, original, mirror));
    const live = await countLive(em, job, mirror);
    enterPhase('difference');
    const found = await findRevertDifference(em, original, mirror);
    await refuseIfGone(em, original);
    enterPhase('plan');
    const guarded = { deletes: job.deletes, valid: null, unidentified: 0, live, deleted: found.delete };
    const reason = reasonToHold(guarded, this.config);
    const { restore: created, update: updated, delete: deleted } = found;
    job.processed = created + updated;
    return {
      difference: found,
      counts: { ...NO_COUNTS, received: job.processed, created, updated, deleted },
      plan: {
        create: created,
        update: updated,
        delete: deleted,
        unchanged: 0,
        live,
        held: reason !== null,
        reason,
        sample: deleted > 0 ? await sampleDeletions(em, SAMPLE_SIZE) : [],
      },
    };
  }

  /** There are no bytes from which it could be reported later, so that is done here, from what is put back. */
  async noteUnresolved(em: EntityManager, job: SyncJob, mirror: MirrorTable): Promise<number> {
    if (mirror.links.length === 0) return 0;
    const image = jsonImage(mirror.columns, ({ column }) => `d.${column}`);
    const { joins, waits } = waitingFor(mirror, job.sourceId, 'd');
    const code = mirror.links.map(
      ({ parent }, index) => `when ${waits[index]} then ${literal(unresolvedCode(parent))}`,
    );
    const [row] = await em.execute<{ rows: number }[]>(
      `with reported as (
         insert into sync_error (job_id, at, index, external_id, code, errors, data)
         select ?, ?, d."$ordinal", d.external_id, case ${code.join(' ')} end, ${messagesOf(mirror, waits)},
                (jsonb_build_object('externalId', d.external_id) || ${image})::json
           from difference d ${joins} where d."$operation" <> 'D' and (${waits.join(' or ')})
         returning 1)
       select count(*)::int as rows from reported`,
      [job.id, job.submittedAt],
    );
    return row?.rows ?? 0;
  }

  async reportErrors(): Promise<void> {
    // Nothing but what was noted, which is reported already.
  }

  contentDigest(): null {
    return null;
  }
}

/**
 * SQL: the messages about a row `d` by field, of which several parents may have the same one.
 * @param waits for each link whether the row waits for that parent
 */
function messagesOf({ links }: MirrorTable, waits: string[]): string {
  const told = links.map((link, index) => ({ link, isMissing: waits[index] ?? 'false' }));
  const byField = Map.groupBy(told, ({ link }) => link.parent.by);
  const entries = [...byField].map(([field, missing]) => {
    const messages = missing.map(({ link: { parent, by }, isMissing }) => {
      const [before, after] = waitsFor(parent);
      return `case when ${isMissing} then ${literal(before)} || d.${by.column}::text || ${literal(after)} end`;
    });
    return `${literal(field)}, to_json(nullif(array_remove(array[${messages.join(', ')}]::text[], null), '{}'))`;
  });
  return `json_strip_nulls(json_build_object(${entries.join(', ')}))`;
}

/** To be called after the log was read. @throws Refusal 410 if what it held of a job has been dropped */
export async function refuseIfGone(em: EntityManager, { appliedAt, resource }: SyncJob): Promise<void> {
  if (appliedAt === null || !(await isLogGone(em, 'change', appliedAt, resource))) return;
  throw new Refusal(410, 'changes_gone', 'The values that the rows had before this job are no longer kept.');
}

/** @throws Refusal 409 */
export function refuseIfTouched(touched: number): void {
  if (touched === 0) return;
  const rows = touched === 1 ? 'One of its rows was' : `${touched} of its rows were`;
  throw new Refusal(
    409,
    'changed_since',
    `${rows} changed by later jobs. Nothing was reverted. Revert those first, the newest one first.`,
  );
}
