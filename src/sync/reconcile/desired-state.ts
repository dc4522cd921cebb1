import type { EntityManager } from '@mikro-orm/postgresql';
import type { Counts, Plan } from '../model/job-outcome.js';
import type { SyncJob } from '../model/sync-job.entity.js';
import type { DifferenceCounts } from './difference.js';
import type { MirrorTable } from '../tables/mirror-table.js';

/** What is to be done, in numbers, and whether the deletion guard holds it. */
export interface PlannedChanges {
  difference: DifferenceCounts;
  counts: Counts;
  plan: Plan;
}

/** What a job wants the mirror to be: as a snapshot says, or as it was before another job. */
export interface DesiredState {
  /** Fills the temporary table `difference` with every row that must be touched. */
  compare(em: EntityManager, job: SyncJob, mirror: MirrorTable): Promise<PlannedChanges>;
  /** Notes the records whose parent is not in the mirror as it is now. @returns how many they are */
  noteUnresolved(em: EntityManager, job: SyncJob, mirror: MirrorTable): Promise<number>;
  /** Reports the errors that were noted of single records. */
  reportErrors(em: EntityManager, job: SyncJob): Promise<void>;
  /** A digest that tells the mirror's new content from any other, or null if it is not that of one snapshot. */
  contentDigest(job: SyncJob): string | null;
}

/** External ids of rows that would be deleted, shown with a plan. */
export const SAMPLE_SIZE = 20;
