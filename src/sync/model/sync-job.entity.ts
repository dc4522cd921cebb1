import { BigIntType, OptionalProps } from '@mikro-orm/core';
import { Entity, Filter, PrimaryKey, Property } from '@mikro-orm/decorators/legacy';
import type { Window } from '../../definitions/window.js';
import { SOURCE_FILTER } from '../../database/source-isolation.js';
import { type DeletePolicy, type JobMode, type JobStatus } from './job-options.js';
import { type Counts, type JobError, type JobWarning, NO_COUNTS, type Plan } from './job-outcome.js';
import type { SyncQueue } from './sync-queues.js';

/** Who may follow whom: the diagram of `docs/architecture.md`, as a table. */
const TRANSITIONS: Record<JobStatus, readonly JobStatus[]> = {
  queued: ['staging', 'cancelled', 'superseded', 'failed'],
  staging: ['staging', 'reconciling', 'completed', 'failed', 'cancelled', 'queued', 'superseded'],
  reconciling: ['staging', 'completed', 'awaiting_approval', 'failed', 'queued', 'superseded'],
  awaiting_approval: ['queued', 'rejected', 'cancelled', 'superseded'],
  completed: [],
  failed: [],
  cancelled: [],
  rejected: [],
  superseded: [],
};

/** One snapshot's way into the mirror, and the account of it. The table is the truth; the queue only carries ids. */
@Filter(SOURCE_FILTER)
@Entity({ tableName: 'sync_job' })
export class SyncJob {
  [OptionalProps]?:
    | 'status'
    | 'phase'
    | 'processed'
    | 'staged'
    | 'rejected'
    | 'percent'
    | 'counts'
    | 'warnings'
    | 'fence'
    | 'attempts'
    | 'notification'
    | 'submittedAt';

  /** UUIDv7: newer jobs sort later. */
  @PrimaryKey({ type: 'uuid' })
  id!: string;

  @Property({ columnType: 'int' })
  sourceId!: number;

  @Property({ columnType: 'text' })
  resource!: string;

  /** The place in the order of acceptance among the jobs of this source and resource; effects come in this order. */
  @Property({ type: new BigIntType('number') })
  seq!: number;

  @Property({ columnType: 'text' })
  mode!: JobMode;

  /** The field of whose values its window is a range; null in other modes. */
  @Property({ columnType: 'text', nullable: true })
  windowField: string | null = null;

  /** The bounds of its window, as the field's type writes them; null in other modes. */
  @Property({ columnType: 'text', nullable: true })
  windowFrom: string | null = null;

  @Property({ columnType: 'text', nullable: true })
  windowTo: string | null = null;

  /** The same as numbers, in which windows are compared. */
  @Property({ columnType: 'numeric', nullable: true })
  windowLow: string | null = null;

  @Property({ columnType: 'numeric', nullable: true })
  windowHigh: string | null = null;

  @Property({ columnType: 'text' })
  deletes!: DeletePolicy;

  @Property({ columnType: 'boolean' })
  dryRun!: boolean;

  /** Written by {@link SyncJob.moveTo} alone. */
  @Property({ columnType: 'text' })
  status: JobStatus = 'queued';

  @Property({ columnType: 'text', nullable: true })
  phase: string | null = null;

  /** Records read so far. */
  @Property({ columnType: 'int' })
  processed: number = 0;

  /** Rows in the staging table: fewer there means that a crash has emptied it. */
  @Property({ columnType: 'int' })
  staged: number = 0;

  /** Records that were rejected while staging. */
  @Property({ columnType: 'int' })
  rejected: number = 0;

  @Property({ columnType: 'smallint' })
  percent: number = 0;

  @Property({ columnType: 'json' })
  counts: Counts = { ...NO_COUNTS };

  @Property({ columnType: 'json', nullable: true })
  plan: Plan | null = null;

  @Property({ columnType: 'json', nullable: true })
  error: JobError | null = null;

  @Property({ columnType: 'json' })
  warnings: JobWarning[] = [];

  /** Null in a job that reverts another one. */
  @Property({ type: 'uuid', nullable: true })
  snapshotId!: string | null;

  /** Which of the queues carries its notifications. */
  @Property({ columnType: 'text', fieldName: 'lane' })
  queue!: SyncQueue;

  /** Rises whenever a worker takes the job; a worker with an older number can write no more. */
  @Property({ columnType: 'int' })
  fence: number = 0;

  @Property({ columnType: 'int' })
  attempts: number = 0;

  /** The number of the last notification, which is part of its id in the queue. */
  @Property({ columnType: 'int', fieldName: 'hint' })
  notification: number = 0;

  /** When it may be tried again after an attempt that failed. */
  @Property({ columnType: 'timestamptz', nullable: true })
  retryAt: Date | null = null;

  /** What ended the last attempt, in words that hold nothing of a record. */
  @Property({ columnType: 'text', nullable: true, fieldName: 'trouble' })
  lastError: string | null = null;

  /** The digest of the plan that the guard held. */
  @Property({ columnType: 'text', nullable: true })
  heldPlan: string | null = null;

  /** The digest of the plan that was approved. */
  @Property({ columnType: 'text', nullable: true })
  approvedPlan: string | null = null;

  @Property({ type: 'uuid', nullable: true })
  replayOf: string | null = null;

  /** The job whose changes this one puts back. */
  @Property({ type: 'uuid', nullable: true })
  revertOf: string | null = null;

  /** The created rows have ids above the one and up to the other: what makes them findable without an index on a million rows. */
  @Property({ type: new BigIntType('number'), nullable: true })
  createdAfterId: number | null = null;

  @Property({ type: new BigIntType('number'), nullable: true })
  createdUpToId: number | null = null;

  /** The time that its rows carry. Unique among the jobs of this source and resource. */
  @Property({ columnType: 'timestamptz', nullable: true })
  appliedAt: Date | null = null;

  /** The version of the declared resource's definition under which it was read last. */
  @Property({ columnType: 'int', nullable: true })
  definition: number | null = null;

  /** Digest of the bytes and rules of which the rows in its scope are the exact result; null if that is no snapshot's. */
  @Property({ columnType: 'text', nullable: true })
  content: string | null = null;

  @Property({ columnType: 'timestamptz', defaultRaw: 'now()' })
  submittedAt!: Date;

  @Property({ columnType: 'timestamptz', nullable: true })
  startedAt: Date | null = null;

  @Property({ columnType: 'timestamptz', nullable: true })
  finishedAt: Date | null = null;

  /**
   * Whether a worker does all of it in one transaction, of which others see nothing before its end. That is for jobs that end
   * soon: not for a snapshot that may delete most of a large mirror, as only an approval or its sender can allow.
   */
  isAtOnce(): boolean {
    const mayDeleteMost = this.approvedPlan !== null || (this.isComplete() && this.deletes === 'apply');
    return this.queue === 'short' && !mayDeleteMost;
  }

  /** The window that it speaks for, or null. */
  window(): Window | null {
    return this.windowFrom === null || this.windowTo === null ? null : { from: this.windowFrom, to: this.windowTo };
  }

  /** Whether what is missing in its scope was deleted: unlike in a partial snapshot and in a revert. */
  isComplete(): boolean {
    return this.mode === 'full' || this.mode === 'window';
  }

  /** Whether it will change no more. */
  isOver(): boolean {
    return TRANSITIONS[this.status].length === 0;
  }

  /** Whether it may become `status` now. */
  mayBecome(status: JobStatus): boolean {
    return TRANSITIONS[this.status].includes(status);
  }

  /** The one place that changes a job's status. @param now by the database's clock: when the job has ended, if it has */
  moveTo(status: 'staging' | 'reconciling' | 'queued'): void;
  moveTo(status: JobStatus, now: Date): void;
  moveTo(status: JobStatus, now: Date | null = null): void {
    if (!this.mayBecome(status)) throw new Error(`a job that is ${this.status} cannot become ${status}`);
    this.status = status;
    if (this.isOver()) {
      this.finishedAt = now;
      this.phase = null;
    }
    if (status === 'completed') this.percent = 100;
  }
}
