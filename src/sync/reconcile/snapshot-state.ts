import type { EntityManager } from '@mikro-orm/postgresql';
import type { Definition, RecordRules } from '../../definitions/definition.js';
import type { Config } from '../../settings/config.js';
import type { SnapshotStore } from '../snapshots/snapshot-store.js';
import type { Snapshot } from '../snapshots/snapshot.entity.js';
import { enterPhase } from '../model/job-phases.js';
import { hasNewerApplied } from '../model/scopes.js';
import type { SyncJob } from '../model/sync-job.entity.js';
import { recordLimits } from '../bytes/read-limits.js';
import { readRecords, type SnapshotFormat } from '../read/read-records.js';
import { contentDigest } from './content-digest.js';
import { reasonToHold } from './deletion-guard.js';
import {
  countDifference,
  countLive,
  type DifferenceCounts,
  findDifference,
  hasDuplicates,
  isStagedTwice,
  retainRejected,
  sampleDeletions,
  rejectDuplicates,
  rejectOvertaken,
} from './difference.js';
import { type DesiredState, type PlannedChanges, SAMPLE_SIZE } from './desired-state.js';
import { noteUnresolved, reportDeferredErrors } from './deferred-errors.js';
import { rejectByRule } from './own-rule.js';
import type { MirrorTable } from '../tables/mirror-table.js';
import { stagingTable } from '../staging/staging-table.js';

/** The mirror as a staged snapshot says. */
export class SnapshotState implements DesiredState {
  /** How many errors were noted, to be reported once all are known. */
  private deferredErrors = 0;

  constructor(
    private readonly definition: Definition,
    private readonly snapshot: Snapshot,
    private readonly rules: RecordRules,
    private readonly store: SnapshotStore,
    private readonly config: Config,
  ) {}

  async compare(em: EntityManager, job: SyncJob, mirror: MirrorTable): Promise<PlannedChanges> {
    enterPhase('count rows');
    let valid = await validRows(em, job);
    // Rejected records are staged if their external id is known.
    const unidentified = job.rejected - (job.staged - valid);
    const live = await countLive(em, job, mirror);
    let overtaken = 0;
    if (job.window() !== null && (await hasNewerApplied(em, job))) {
      overtaken = await rejectOvertaken(em, job, mirror);
      valid -= overtaken;
    }
    const { duplicates, ...distinct } = await findWithoutDuplicates(em, job, mirror, { valid, live });
    let { found } = distinct;
    valid -= duplicates;
    const broken = await rejectByRule(em, job, mirror);
    if (broken > 0) {
      valid -= broken;
      found = await findDifference(em, job, mirror);
    }
    this.deferredErrors += overtaken + duplicates + broken;
    enterPhase('plan');
    let retained = 0;
    if (job.rejected + overtaken + broken > 0) {
      retained = await retainRejected(em, job, mirror);
      found = await countDifference(em);
    }
    const created = found.insert + found.restore;
    // With them the copies of records, which are no rows of their own.
    const unchanged = valid - created - found.update;
    const guarded = { deletes: job.deletes, valid, unidentified, live, deleted: found.delete };
    const reason = job.isComplete() ? reasonToHold(guarded, this.config) : null;
    return {
      difference: found,
      counts: {
        received: job.processed,
        created,
        updated: found.update,
        unchanged,
        deleted: found.delete,
        rejected: job.rejected + overtaken + duplicates + broken,
        retained,
        unresolved: 0,
      },
      plan: {
        create: created,
        update: found.update,
        delete: found.delete,
        unchanged,
        live,
        held: reason !== null,
        reason,
        sample: found.delete > 0 ? await sampleDeletions(em, SAMPLE_SIZE) : [],
      },
    };
  }

  async noteUnresolved(em: EntityManager, job: SyncJob, mirror: MirrorTable): Promise<number> {
    const unresolved = await noteUnresolved(em, job, mirror);
    this.deferredErrors += unresolved;
    return unresolved;
  }

  async reportErrors(em: EntityManager, job: SyncJob): Promise<void> {
    if (this.deferredErrors === 0) return;
    await reportDeferredErrors(em, job, this.definition, () => {
      const bytes = this.store.read(this.snapshot);
      return readRecords(this.snapshot.format as SnapshotFormat, bytes, recordLimits(this.config));
    });
  }

  contentDigest(job: SyncJob): string | null {
    return job.isComplete() ? contentDigest(this.snapshot, this.definition, this.rules, job.counts.rejected > 0) : null;
  }
}

/** Finds the difference once each external id is staged once. In what speaks for everything, the difference itself tells whether it is. */
async function findWithoutDuplicates(
  em: EntityManager,
  job: SyncJob,
  mirror: MirrorTable,
  { valid, live }: { valid: number; live: number },
): Promise<{ found: DifferenceCounts; duplicates: number }> {
  let duplicates = 0;
  if (job.mode !== 'full') {
    enterPhase('duplicates');
    if (await isStagedTwice(em, job)) duplicates = await rejectDuplicates(em, job, mirror);
  }
  enterPhase('difference');
  const found = await findDifference(em, job, mirror);
  if (job.mode !== 'full') return { found, duplicates };
  enterPhase('duplicates');
  if (!(await hasDuplicates(em, valid, live, found))) return { found, duplicates };
  duplicates = await rejectDuplicates(em, job, mirror);
  return { found: await findDifference(em, job, mirror), duplicates };
}

/**
 * The number of valid staged rows.
 * @throws if rows are missing: PostgreSQL empties unlogged tables after a crash, and an emptied one must not be taken for
 * an empty snapshot
 */
async function validRows(em: EntityManager, job: SyncJob): Promise<number> {
  const [row] = await em.execute<{ staged: string; valid: string }[]>(
    `select count(*) as staged, count(*) filter (where not "$rejected") as valid from ${stagingTable(job)}`,
  );
  if (Number(row?.staged) !== job.staged) throw new Error('the staging table does not hold what was staged');
  return Number(row?.valid);
}
