// Apart from the entity, so that the command line knows them without loading the ORM.

export const JOB_STATUSES = [
  'queued',
  'staging',
  'reconciling',
  'completed',
  'awaiting_approval',
  'failed',
  'cancelled',
  'rejected',
  'superseded',
] as const;
export type JobStatus = (typeof JOB_STATUSES)[number];

/** What a snapshot speaks for: everything of its resource, nothing beyond its records, or a range of a field. */
export const MODES = ['full', 'partial', 'window'] as const;
export type Mode = (typeof MODES)[number];

/** What a job is: the mode of its snapshot, or one that puts back what another one changed. */
export const JOB_MODES = [...MODES, 'revert'] as const;
export type JobMode = (typeof JOB_MODES)[number];

export const DELETE_POLICIES = ['auto', 'apply', 'hold'] as const;
export type DeletePolicy = (typeof DELETE_POLICIES)[number];
