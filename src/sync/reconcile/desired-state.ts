import type { EntityManager } from '@mikro-orm/postgresql';
import type { Counts, Plan, SyncJob } from '../jobs/sync-job.entity.js';
import type { MirrorTable } from './mirror-table.js';

/** What is to be done, in numbers, and what the deletion guard thinks of it. */
export interface Proposal {
  counts: Counts;
  plan: Plan;
}

/** What a job wants the mirror to be: as a snapshot says, or as it was before another job. */
export interface Intent {
  /** Fills the temporary table `difference` with every row that must be touched. */
  propose(em: EntityManager, job: SyncJob, mirror: MirrorTable): Promise<Proposal>;
  /** Notes what hangs in the air as the mirror is now. @returns how many records that are */
  noteUnresolved(em: EntityManager, job: SyncJob, mirror: MirrorTable): Promise<number>;
  /** Reports what was noted of single records. */
  report(em: EntityManager, job: SyncJob): Promise<void>;
  /** What tells the mirror's new content from any other, or null if nothing does. */
  content(job: SyncJob): string | null;
}

/** External ids of rows that would go, shown with a plan. */
export const SAMPLE_SIZE = 20;
