import { LockMode } from '@mikro-orm/core';
import type { EntityManager } from '@mikro-orm/postgresql';
import { Inject, Injectable } from '@nestjs/common';
import type { RecordRules } from '../../definitions/definition.js';
import { CONFIG, type Config } from '../../settings/config.js';
import { atStep } from '../../runtime/steps.js';
import { AppliedDefinitions } from '../leases/applied-definitions.js';
import { countSuperseding, isOvertaken, isSameScope, lastApplied } from '../model/scopes.js';
import { numberCommit } from './number-commit.js';
import { SnapshotStore } from '../snapshots/snapshot-store.js';
import type { Snapshot } from '../snapshots/snapshot.entity.js';
import { databaseNow, JobLeases } from '../leases/job-leases.js';
import { enterPhase } from '../model/job-phases.js';
import type { Lease } from '../leases/lease.js';
import { MirrorState } from '../model/mirror-state.entity.js';
import { NO_COUNTS, UNKNOWN_FIELD } from '../model/job-outcome.js';
import { SyncJob } from '../model/sync-job.entity.js';
import { clearEarlierAttempt } from '../staging/clear-attempt.js';
import { copyErrorsOf } from '../staging/record-errors.js';
import { applicationTime } from './application-time.js';
import { applyDifference } from './apply-difference.js';
import { contentDigest } from './content-digest.js';
import { digestDifference, rowsIn } from './difference.js';
import type { DesiredState } from './desired-state.js';
import { hasUnresolved } from './deferred-errors.js';
import { keepPlan } from './kept-plan.js';
import { MirrorTables } from '../tables/mirror-table.js';
import { LEAST_PATIENCE_MS, MirrorLocks, patienceAfter } from './mirror-locks.js';
import { analyzeIfLarge, fillsSource, refreshStatistics } from './refresh-statistics.js';
import { RevertedState } from './reverted-state.js';
import { SnapshotState } from './snapshot-state.js';
import { dropStagingTable, stagingTable } from '../staging/staging-table.js';

/** Brings the mirror to what a job wants it to be: one transaction, all of it or nothing. */
@Injectable()
export class Reconciler {
  constructor(
    private readonly leases: JobLeases,
    private readonly locks: MirrorLocks,
    private readonly store: SnapshotStore,
    private readonly tables: MirrorTables,
    private readonly applied: AppliedDefinitions,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /**
   * If the mirror is the exact result of these very bytes already, finishes the job without reading them.
   * @returns whether it did; if not, nothing has happened
   * @throws MirrorBusy if it could only finish it later
   */
  async finishIfIdentical(lease: Lease, snapshot: Snapshot, rules: RecordRules): Promise<boolean> {
    // Without the locks, which most jobs need only once their records are staged.
    const isIdentical = await this.leases.underLease(lease, async (em, job) => {
      return (await this.findIdentical(em, job, snapshot, rules)) !== null;
    });
    if (!isIdentical) return false;
    // Jobs of linked resources may have changed that meanwhile.
    return this.locks.whenFree(lease, LEAST_PATIENCE_MS, (em, job) =>
      this.concludeIfIdentical(em, job, snapshot, rules),
    );
  }

  /** The same within a transaction that holds the mirror's locks. */
  async concludeIfIdentical(em: EntityManager, job: SyncJob, snapshot: Snapshot, rules: RecordRules): Promise<boolean> {
    const found = await this.findIdentical(em, job, snapshot, rules);
    if (!found) return false;
    const { state, last } = found;
    await clearEarlierAttempt(em, job);
    if (!(await copyErrorsOf(em, last, job))) return false;
    const { received, rejected, retained } = last.counts;
    job.counts = { ...NO_COUNTS, received, rejected, retained, unchanged: received - rejected };
    job.processed = received;
    // Those about its bytes. Others were about rows that it has created or changed: this one has not.
    job.warnings = last.warnings.filter(({ code }) => code === UNKNOWN_FIELD);
    await this.applied.check(em, job.resource);
    await this.conclude(em, job, state, last.content);
    return true;
  }

  /** The state of the mirror, and the job that made it, if that is what these bytes would make of it. */
  private async findIdentical(
    em: EntityManager,
    job: SyncJob,
    snapshot: Snapshot,
    rules: RecordRules,
  ): Promise<{ state: MirrorState; last: SyncJob } | null> {
    if (!job.isComplete() || job.dryRun || job.replayOf !== null || job.approvedPlan !== null) return null;
    const state = await em.findOneOrFail(MirrorState, { sourceId: job.sourceId, resource: job.resource });
    if (await isOvertaken(em, job, state)) return null;
    const { definition } = this.tables.of(job.resource);
    const [withoutRejected, withRejected] = [false, true].map((has) => contentDigest(snapshot, definition, rules, has));
    const last = await lastApplied(em, job);
    if (!last || !isSameScope(last, job)) return null;
    if (last.content !== withoutRejected && last.content !== withRejected) return null;
    if (last.counts.unresolved > 0) return null;
    // Without a valid record it is for the deletion guard to decide.
    if (last.counts.received === last.counts.rejected) return null;
    if (last.content !== (last.counts.rejected > 0 ? withRejected : withoutRejected)) return null;
    return (await hasUnresolved(em, job.sourceId, this.tables.of(job.resource))) ? null : { state, last };
  }

  /**
   * Reconciles what was staged: to `completed`, `awaiting_approval` or `superseded`.
   * @param stagedInMs what it would cost to stage it again
   * @throws MirrorBusy
   */
  async reconcile(lease: Lease, snapshot: Snapshot, rules: RecordRules, stagedInMs: number): Promise<void> {
    await this.reconcileTo(lease, patienceAfter(stagedInMs), (em, job) => this.desiredBy(em, job, snapshot, rules));
  }

  /** The same within a transaction that holds the mirror's locks: of a job that was staged in it. */
  async reconcileWithin(em: EntityManager, job: SyncJob, snapshot: Snapshot, rules: RecordRules): Promise<void> {
    beginReconciling(job);
    await this.bring(em, job, await this.desiredBy(em, job, snapshot, rules));
  }

  private async desiredBy(
    em: EntityManager,
    job: SyncJob,
    snapshot: Snapshot,
    rules: RecordRules,
  ): Promise<SnapshotState> {
    const { definition, links } = this.tables.of(job.resource);
    const searched = ['"$rejected"', 'external_id', ...links.map(({ by }) => by.column)];
    await analyzeIfLarge(em, stagingTable(job), job.staged, searched);
    return new SnapshotState(definition, snapshot, rules, this.store, this.config);
  }

  /** Puts back what another job changed: to `completed` or `awaiting_approval`. @throws Refusal 409, MirrorBusy */
  async revert(lease: Lease): Promise<void> {
    await this.reconcileTo(lease, LEAST_PATIENCE_MS, async () => new RevertedState(this.config));
  }

  private async reconcileTo(
    lease: Lease,
    patienceMs: number,
    prepare: (em: EntityManager, job: SyncJob) => Promise<DesiredState>,
  ): Promise<void> {
    enterPhase('lock');
    // Until the mirror is free the job counts as staging, in which it can be cancelled.
    const desired = await this.locks.whenFree(lease, patienceMs, async (em, job) => {
      beginReconciling(job);
      return prepare(em, job);
    });
    await this.locks.whenFree(lease, patienceMs, (em, job) => this.bring(em, job, desired));
  }

  /** Brings the mirror to what is desired, unless a newer job has done so, and numbers the commit that is to follow. */
  private async bring(em: EntityManager, job: SyncJob, desired: DesiredState): Promise<void> {
    // Before a plan that has changed is held, with which it may become one that is done at once.
    const isAtOnce = job.isAtOnce();
    const state = await em.findOneOrFail(MirrorState, { sourceId: job.sourceId, resource: job.resource });
    if (!job.dryRun && (await isOvertaken(em, job, state))) job.moveTo('superseded', await databaseNow(em));
    else await this.apply(em, job, state, desired);
    enterPhase('commit');
    if (!isAtOnce) await dropStagingTable(em, job);
    await this.applied.check(em, job.resource);
    await numberCommit(em, job);
    atStep('job concluded');
  }

  private async apply(em: EntityManager, job: SyncJob, state: MirrorState, desired: DesiredState): Promise<void> {
    const mirror = this.tables.of(job.resource);
    const { difference, counts, plan } = await desired.compare(em, job, mirror);
    job.counts = counts;
    const hasPlan = job.dryRun || plan.held || job.approvedPlan !== null;
    // What was approved may be done meanwhile: windows apart from this one may have taken all of its rows.
    const isDone = job.approvedPlan !== null && rowsIn(difference) === 0;
    const digest = hasPlan && !job.dryRun && !isDone ? await digestDifference(em, mirror) : null;
    const isApproved = digest !== null && digest === job.approvedPlan;
    if (hasPlan) {
      // The rows of a plan that was approved are kept already.
      const listed = isApproved ? (job.plan?.listed ?? 0) : await keepPlan(em, job, mirror);
      job.plan = { ...plan, listed };
    }
    if (digest !== null && !isApproved) {
      // Whoever decides should see all that was rejected.
      await desired.reportErrors(em, job);
      return this.hold(em, job, digest);
    }
    const at = await applicationTime(em, job, this.tables);
    const touched = job.dryRun ? [] : await applyDifference(em, job, mirror, at, difference);
    atStep('difference applied');
    enterPhase('deferred errors');
    counts.unresolved = await desired.noteUnresolved(em, job, mirror);
    await desired.reportErrors(em, job);
    job.counts = { ...counts };
    enterPhase('statistics');
    await refreshStatistics(em, touched, await fillsSource(em, job, mirror, counts.created, plan.live));
    await this.conclude(em, job, state, desired.contentDigest(job), at);
  }

  /**
   * Stops for approval of this very plan (also where another one was approved), unless a newer snapshot has made that pointless.
   * Until then nothing is changed.
   */
  private async hold(em: EntityManager, job: SyncJob, digest: string): Promise<void> {
    // Taken in the same order as at the acceptance of a job: either it sees this one held, or this one sees it.
    await em.findOneOrFail(
      MirrorState,
      { sourceId: job.sourceId, resource: job.resource },
      { lockMode: LockMode.PESSIMISTIC_WRITE, refresh: true },
    );
    const newer = await countSuperseding(em, job);
    const now = await databaseNow(em);
    const { received, rejected } = job.counts;
    job.counts = { ...NO_COUNTS, received, rejected, unchanged: received - rejected };
    job.heldPlan = digest;
    job.approvedPlan = null;
    job.moveTo('awaiting_approval', now);
    if (newer > 0) job.moveTo('superseded', now);
  }

  private async conclude(
    em: EntityManager,
    job: SyncJob,
    state: MirrorState,
    content: string | null,
    at?: Date,
  ): Promise<void> {
    const now = at ?? (await applicationTime(em, job, this.tables));
    if (!job.dryRun) {
      const appliedSeq = Math.max(state.appliedSeq, job.seq);
      // Of a window it would be taken for the content of everything, by servers of the version before.
      Object.assign(state, {
        appliedSeq,
        appliedAt: now,
        appliedJob: job.id,
        content: job.window() === null ? content : null,
      });
      job.content = content;
      job.appliedAt = now;
    }
    job.moveTo('completed', await databaseNow(em));
  }
}

function beginReconciling(job: SyncJob): void {
  job.moveTo('reconciling');
  job.phase = 'reconciling';
}
