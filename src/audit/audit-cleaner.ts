import { EntityManager } from '@mikro-orm/postgresql';
import { Inject, Injectable } from '@nestjs/common';
import { CONFIG, type Config } from '../settings/config.js';
import { deleteInBatches } from '../database/delete-in-batches.js';
import { PeriodicTask } from '../runtime/periodic-task.js';
import { acrossSources } from '../database/source-isolation.js';

const PAUSE_MS = 60 * 60 * 1000;

/** Entries per statement. No entry can be appended while it runs, so it has to be short: some 20 ms. */
const BATCH = 2_000;

const MAX_BATCHES = 500;

/**
 * Deletes audit entries past their retention, oldest first. The database itself refuses to delete those of the last
 * year.
 */
@Injectable()
export class AuditCleaner {
  readonly task = new PeriodicTask({
    name: 'cleaning the audit log',
    pauseMs: PAUSE_MS,
    canWait: true,
    run: () => this.clean(),
  });

  constructor(
    private readonly em: EntityManager,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** One run. Any number of instances may do it at once. */
  clean(): Promise<void> {
    return acrossSources(() =>
      deleteInBatches(this.em.fork(), {
        sql: 'select audit_forget(?, ?) as deleted',
        values: [this.config.AUDIT_RETENTION_DAYS, BATCH],
        fullBatch: BATCH,
        maxBatches: MAX_BATCHES,
      }),
    );
  }
}
