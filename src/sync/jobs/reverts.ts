import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { isTooSlow } from '../../database/outage.js';
import { Refusal } from '../../http/refusal.js';
import { rowsChangedBy } from '../reconcile/number-commit.js';
import { type MirrorTable, MirrorTables } from '../tables/mirror-table.js';
import { refuseIfGone, refuseIfTouched } from '../reconcile/reverted-state.js';
import { countTouchedSince } from '../reconcile/revert-difference.js';
import { acceptJob, NO_WINDOW } from '../leases/accept-job.js';
import { JobQueue } from '../model/job-queue.js';
import type { SyncJob } from '../model/sync-job.entity.js';
import type { DeletePolicy } from '../model/job-options.js';

/** A revert of more rows is a long job. */
const LONG_ROWS = 50_000;

/** For how long a request counts touched rows, which takes long for a large job: well below the API's 30 s a statement. */
const COUNT_TIMEOUT_MS = 5_000;

/** How a revert is to be done. */
export interface RevertOptions {
  deletes: DeletePolicy;
  dryRun: boolean;
}

/** Makes jobs that put back what others changed. */
@Injectable()
export class Reverts {
  constructor(
    private readonly em: EntityManager,
    private readonly tables: MirrorTables,
    private readonly queue: JobQueue,
  ) {}

  /**
   * A new job, as the newest of its source and resource. Rows that are touched between now and its turn make it fail.
   * @throws Refusal 409 if the job changed nothing or later ones have touched the same rows; 410 if it is too long ago
   */
  async revert(original: SyncJob, { deletes, dryRun }: RevertOptions): Promise<SyncJob> {
    const rows = rowsChangedBy(original);
    if (rows === 0 || original.appliedAt === null) {
      throw new Refusal(409, 'nothing_to_revert', 'The job has changed nothing, so there is nothing to put back.');
    }
    const mirror = this.tables.of(original.resource);
    refuseIfTouched(await this.countTouched(original, mirror));
    await refuseIfGone(this.em.fork(), original);
    const { sourceId, resource, id: revertOf } = original;
    const { job } = await this.em.fork().transactional((em) =>
      acceptJob(em, {
        sourceId,
        resource,
        mode: 'revert',
        deletes,
        dryRun,
        snapshotId: null,
        queue: rows > LONG_ROWS ? 'long' : 'short',
        replayOf: null,
        revertOf,
        ...NO_WINDOW,
      }),
    );
    await this.queue.notify(job);
    return job;
  }

  /** How many rows later jobs have touched, or 0 if that takes too long: the job counts them again at its turn. */
  private async countTouched(original: SyncJob, mirror: MirrorTable): Promise<number> {
    try {
      return await this.em.fork().transactional(async (em) => {
        await em.execute(`set local statement_timeout = ${COUNT_TIMEOUT_MS}`);
        return countTouchedSince(em, original, mirror);
      });
    } catch (error) {
      if (isTooSlow(error)) return 0;
      throw error;
    }
  }
}
