import { ApiProperty } from '@nestjs/swagger';
import type { Window } from '../../definitions/window.js';
import type { Snapshot } from '../snapshots/snapshot.entity.js';
import type { Counts, JobError, JobWarning, Plan } from '../model/job-outcome.js';
import type { SyncJob } from '../model/sync-job.entity.js';
import {
  DELETE_POLICIES,
  type DeletePolicy,
  JOB_MODES,
  JOB_STATUSES,
  type JobMode,
  type JobStatus,
} from '../model/job-options.js';
import type { Waiting } from './waiting-jobs.js';

const COUNTS_EXAMPLE: Counts = {
  received: 4,
  created: 3,
  updated: 0,
  unchanged: 0,
  deleted: 0,
  rejected: 1,
  retained: 0,
  unresolved: 0,
};

const PLAN_EXAMPLE: Plan = {
  create: 0,
  update: 0,
  delete: 97,
  unchanged: 3,
  live: 100,
  held: true,
  reason: 'It would delete 97 of 100 rows, more than the 50 that pass without approval.',
  sample: ['10', '11'],
  listed: 97,
};

const ERROR_EXAMPLE: JobError = {
  code: 'malformed_json',
  detail: 'The JSON is malformed here.',
  line: 12,
  byteOffset: 834,
  record: 11,
};

const LINKS_EXAMPLE = {
  self: '/sync/jobs/019aa5f0-8a3e-7c1b-b6f4-0d9e1f2a3b4c',
  errors: '/sync/jobs/019aa5f0-8a3e-7c1b-b6f4-0d9e1f2a3b4c/errors',
  changes: '/sync/jobs/019aa5f0-8a3e-7c1b-b6f4-0d9e1f2a3b4c/changes',
  plan: null,
  snapshot: '/sync/jobs/019aa5f0-8a3e-7c1b-b6f4-0d9e1f2a3b4c/snapshot',
};

/** A job as callers see it. */
export class JobView {
  @ApiProperty({ format: 'uuid', example: '019aa5f0-8a3e-7c1b-b6f4-0d9e1f2a3b4c' })
  id!: string;

  @ApiProperty({ example: 'default' })
  source!: string;

  @ApiProperty({ example: 'patients' })
  resource!: string;

  @ApiProperty({ enum: JOB_MODES })
  mode!: JobMode;

  @ApiProperty({
    type: 'object',
    nullable: true,
    additionalProperties: { type: 'string' },
    description: 'The range of values that the snapshot is complete for, `to` excluded; null in other modes.',
    example: null,
  })
  window!: Window | null;

  @ApiProperty({ enum: DELETE_POLICIES })
  deletes!: DeletePolicy;

  @ApiProperty()
  dryRun!: boolean;

  @ApiProperty({ enum: JOB_STATUSES })
  status!: JobStatus;

  @ApiProperty({
    type: 'object',
    additionalProperties: true,
    example: { phase: 'staging', processed: 51200, percent: 43 },
  })
  progress!: { phase: string | null; processed: number; percent: number };

  @ApiProperty({
    type: 'object',
    additionalProperties: { type: 'integer' },
    example: COUNTS_EXAMPLE,
    description: 'Until a job has been applied nothing counts as created, updated or deleted.',
  })
  counts!: Counts;

  @ApiProperty({
    type: 'object',
    nullable: true,
    additionalProperties: true,
    description: 'Why the job is still queued: the job that comes first, or the attempts that failed; else null.',
    example: { behind: { id: '019aa5f0-8a3e-7c1b-b6f4-0d9e1f2a3b4c', status: 'awaiting_approval' }, retry: null },
  })
  waiting!: Waiting | null;

  @ApiProperty({ type: 'object', nullable: true, additionalProperties: true, example: PLAN_EXAMPLE })
  plan!: Plan | null;

  @ApiProperty({ type: 'object', nullable: true, additionalProperties: true, example: ERROR_EXAMPLE })
  error!: JobError | null;

  @ApiProperty({ type: 'array', items: { type: 'object', additionalProperties: true }, example: [] })
  warnings!: JobWarning[];

  @ApiProperty({
    type: 'object',
    nullable: true,
    additionalProperties: true,
    description: 'Null in a job that reverts another one.',
    example: { bytes: 414, sha256: 'f3b1…', contentType: 'application/json' },
  })
  snapshot!: { bytes: number; sha256: string; contentType: string; contentEncoding: string | null } | null;

  @ApiProperty({
    type: 'integer',
    nullable: true,
    description: 'The version of the definition under which a snapshot of a declared resource was read.',
  })
  definition!: number | null;

  @ApiProperty({ format: 'uuid', nullable: true, type: 'string', description: 'The job whose bytes this one replays.' })
  replayOf!: string | null;

  @ApiProperty({
    format: 'uuid',
    nullable: true,
    type: 'string',
    description: 'The job whose changes this one puts back.',
  })
  revertOf!: string | null;

  @ApiProperty({ format: 'date-time' })
  submittedAt!: Date;

  @ApiProperty({ format: 'date-time', nullable: true, type: 'string' })
  startedAt!: Date | null;

  @ApiProperty({ format: 'date-time', nullable: true, type: 'string' })
  finishedAt!: Date | null;

  @ApiProperty({ type: 'object', additionalProperties: { type: 'string', nullable: true }, example: LINKS_EXAMPLE })
  links!: Record<'self' | 'errors' | 'changes', string> & Record<'plan' | 'snapshot', string | null>;
}

/** What is known of a job besides its own row. */
interface Surroundings {
  source: string;
  snapshot: Snapshot | null;
  waiting: Waiting | null;
}

export function jobView(job: SyncJob, { source, snapshot, waiting }: Surroundings): JobView {
  const { id, resource, mode, deletes, dryRun, status, phase, processed, percent, replayOf, revertOf } = job;
  const self = `/sync/jobs/${id}`;
  return {
    id,
    source,
    resource,
    mode,
    window: job.window(),
    deletes,
    dryRun,
    status,
    progress: { phase, processed, percent },
    counts: job.counts,
    waiting,
    plan: job.plan,
    error: job.error,
    warnings: job.warnings,
    snapshot: snapshot && bodyOf(snapshot),
    definition: job.definition,
    replayOf,
    revertOf,
    submittedAt: job.submittedAt,
    startedAt: job.startedAt,
    finishedAt: job.finishedAt,
    links: {
      self,
      errors: `${self}/errors`,
      changes: `${self}/changes`,
      plan: job.plan && `${self}/plan`,
      snapshot: snapshot && `${self}/snapshot`,
    },
  };
}

function bodyOf({ bytes, sha256, contentType, contentEncoding }: Snapshot) {
  return { bytes, sha256, contentType, contentEncoding };
}
