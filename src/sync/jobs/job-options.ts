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

export const MODES = ['full', 'partial'] as const;
export type Mode = (typeof MODES)[number];

export const DELETE_POLICIES = ['auto', 'apply', 'hold'] as const;
export type DeletePolicy = (typeof DELETE_POLICIES)[number];
