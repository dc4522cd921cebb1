import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import type { RecordRules } from '../../definitions/definition.js';
import { atStep } from '../../runtime/steps.js';
import { Snapshot } from '../snapshots/snapshot.entity.js';
import { Stager } from '../read/stager.js';
import { LEAST_PATIENCE_MS, MirrorLocks } from '../reconcile/mirror-locks.js';
import { Reconciler } from '../reconcile/reconciler.js';
import { enterPhase } from '../model/job-phases.js';
import type { Lease } from '../leases/lease.js';

/** The work of a job that was taken, in the order of its steps. */
@Injectable()
export class JobWork {
  constructor(
    private readonly em: EntityManager,
    private readonly locks: MirrorLocks,
    private readonly stager: Stager,
    private readonly reconciler: Reconciler,
  ) {}

  /**
   * @throws LeaseLost, MirrorBusy, OutdatedDefinition
   * @throws SnapshotFault or Refusal if no further attempt can change anything
   */
  async do(lease: Lease): Promise<void> {
    if (lease.snapshotId === null) {
      await this.reconciler.revert(lease);
      return;
    }
    const snapshot = await this.em.fork().findOneOrFail(Snapshot, lease.snapshotId);
    const rules = this.stager.rules();
    await (lease.isAtOnce ? this.mirrorAtOnce(lease, snapshot, rules) : this.mirrorInBatches(lease, snapshot, rules));
    atStep('effect committed');
  }

  /**
   * A job that ends soon, in one transaction under the mirror's locks: in six it took half as much CPU time again. It waits for the
   * locks before it reads anything, or it would only be read again and again.
   */
  private async mirrorAtOnce(lease: Lease, snapshot: Snapshot, rules: RecordRules): Promise<void> {
    enterPhase('lock');
    await this.locks.whenFree(lease, LEAST_PATIENCE_MS, async (em, job) => {
      enterPhase('compare bytes');
      if (await this.reconciler.concludeIfIdentical(em, job, snapshot, rules)) return;
      enterPhase('stage');
      await this.stager.stageWithin(em, job, snapshot, rules);
      await this.reconciler.reconcileWithin(em, job, snapshot, rules);
    });
  }

  /** Any other job: its progress is seen, and it is staged while linked resources are being reconciled. */
  private async mirrorInBatches(lease: Lease, snapshot: Snapshot, rules: RecordRules): Promise<void> {
    enterPhase('compare bytes');
    if (await this.reconciler.finishIfIdentical(lease, snapshot, rules)) return;
    enterPhase('stage');
    const begun = performance.now();
    await this.stager.stage(lease, snapshot, rules);
    await this.reconciler.reconcile(lease, snapshot, rules, performance.now() - begun);
  }
}
