import { ApiProperty } from '@nestjs/swagger';
import { type Counts, NO_COUNTS } from '../../sync/model/job-outcome.js';
import { DIALECTS, type DialectName, PULLED, type Pulled } from '../source/dialects.js';
import { instantOf } from '../source/moments.js';
import { gapsOf } from './coverage.js';
import {
  type Gap,
  type Position,
  PULL_STATUSES,
  type PullError,
  type PullRow,
  type PullStatus,
  type PullWarning,
  RATES,
  type Rates,
} from './pull-row.js';

/** A job that a pull has made. */
export interface PullJob {
  pull_id: string;
  resource: Pulled;
  id: string;
  status: string | null;
  counts: Counts | null;
  from: string | null;
  to: string | null;
}

/** What a pull has of one resource. */
interface ResourceView {
  status: 'waiting' | Position['state'];
  answers: number;
  records: number;
  /** Until when transactions were received. */
  until: string | null;
  jobs: { id: string; status: string | null; window: { from: string; to: string } | null; link: string }[];
}

const RESOURCES_EXAMPLE = {
  sepa: {
    status: 'reading',
    answers: 12,
    records: 41,
    until: '2018-03-02T00:00:00.000Z',
    jobs: [
      {
        id: '019aa5f0-8a3e-7c1b-b6f4-0d9e1f2a3b4d',
        status: 'completed',
        window: { from: '2018-01-01T00:00:00.000Z', to: '2018-02-01T00:00:00.000Z' },
        link: '/sync/jobs/019aa5f0-8a3e-7c1b-b6f4-0d9e1f2a3b4d',
      },
    ],
  },
};

const OBJECT = { type: 'object', additionalProperties: true } as const;

/** A pull as callers see it: what jobs have, too, and what only pulls have. */
export class PullView {
  @ApiProperty({ format: 'uuid', example: '019aa5f0-8a3e-7c1b-b6f4-0d9e1f2a3b4c' })
  id!: string;

  @ApiProperty({ example: 'default' })
  source!: string;

  @ApiProperty({ enum: ['pull'] })
  kind!: 'pull';

  @ApiProperty({ enum: PULL_STATUSES })
  status!: PullStatus;

  @ApiProperty({ ...OBJECT, example: { phase: 'transactions', processed: 51200, percent: 43 } })
  progress!: { phase: string | null; processed: number; percent: number };

  @ApiProperty({ type: 'object', additionalProperties: { type: 'integer' }, description: 'the sums over its jobs' })
  counts!: Counts;

  @ApiProperty({ ...OBJECT, nullable: true, description: 'why it does not move: the source is away' })
  waiting!: PullRow['waiting'];

  @ApiProperty({ ...OBJECT, nullable: true, example: { code: 'redirect', detail: '…', resource: 'sepa', jobId: null } })
  error!: PullError | null;

  @ApiProperty({ type: 'array', items: OBJECT, example: [] })
  warnings!: PullWarning[];

  @ApiProperty({ example: 'https://bank.example/feed' })
  baseUrl!: string;

  @ApiProperty({ enum: ['auto', ...DIALECTS], description: 'as it was found out, once it was' })
  dialect!: 'auto' | DialectName;

  @ApiProperty({ enum: RATES })
  rates!: Rates;

  @ApiProperty({ type: 'string', nullable: true, example: 'PT1H' })
  every!: string | null;

  @ApiProperty({ type: 'string', format: 'date-time', nullable: true, description: 'when a schedule pulls again' })
  nextAt!: Date | null;

  @ApiProperty({
    type: 'string',
    format: 'uuid',
    nullable: true,
    description: 'the pull by whose schedule it was made',
  })
  scheduledBy!: string | null;

  @ApiProperty({
    type: 'array',
    items: OBJECT,
    description: 'times of which the source had transactions that could not be received',
    example: [{ resource: 'sepa', from: '2018-01-06T00:00:00.000Z', to: '2018-01-11T00:00:00.000Z' }],
  })
  gaps!: Gap[];

  @ApiProperty({ ...OBJECT, example: RESOURCES_EXAMPLE })
  resources!: Record<Pulled, ResourceView>;

  @ApiProperty({ format: 'date-time' })
  submittedAt!: Date;

  @ApiProperty({ type: 'string', format: 'date-time', nullable: true })
  startedAt!: Date | null;

  @ApiProperty({ type: 'string', format: 'date-time', nullable: true })
  finishedAt!: Date | null;

  @ApiProperty({ type: 'object', additionalProperties: { type: 'string' } })
  links!: { self: string };
}

export function pullView(pull: PullRow, jobs: readonly PullJob[]): PullView {
  const { id, source, status, positions } = pull;
  const isUnderWay = status === 'queued' || status === 'fetching';
  const resources = PULLED.map((resource) => [resource, resourceView(resource, positions[resource], jobs)]);
  return {
    id,
    source,
    kind: 'pull',
    status,
    progress: progressOf(pull, jobs),
    counts: sumOf(jobs),
    waiting: pull.waiting,
    error: pull.error,
    warnings: pull.warnings,
    baseUrl: pull.base_url,
    dialect: pull.detected ?? pull.dialect,
    rates: pull.rates,
    every: pull.every,
    nextAt: toDate(pull.next_at),
    scheduledBy: pull.schedule_id,
    gaps: isUnderWay ? gapsOf(positions) : pull.gaps,
    resources: Object.fromEntries(resources) as Record<Pulled, ResourceView>,
    submittedAt: new Date(pull.submitted_at),
    startedAt: toDate(pull.started_at),
    finishedAt: toDate(pull.finished_at),
    links: { self: `/cashflow/pulls/${id}` },
  };
}

function resourceView(resource: Pulled, position: Position | undefined, jobs: readonly PullJob[]): ResourceView {
  const until = position?.covered.at(-1)?.to;
  return {
    status: position?.state ?? 'waiting',
    answers: position?.answers ?? 0,
    records: position?.records ?? 0,
    until: until === undefined ? null : instantOf(until),
    jobs: jobs
      .filter((job) => job.resource === resource)
      .map(({ id, status, from, to }) => ({
        id,
        status,
        window: from === null || to === null ? null : { from, to },
        link: `/sync/jobs/${id}`,
      })),
  };
}

/** How much of the work its stages are. Nobody knows how much a source will give. */
const SHARES: Record<Position['state'], number> = { reading: 5, read: 20, submitted: 20 };

function progressOf({ status, positions }: PullRow, jobs: readonly PullJob[]): PullView['progress'] {
  const all = PULLED.map((resource) => positions[resource]);
  const processed = all.reduce((sum, position) => sum + (position?.records ?? 0), 0);
  if (status === 'completed') return { phase: null, processed, percent: 100 };
  const read = all.reduce((sum, position) => sum + (position ? SHARES[position.state] : 0), 0);
  const ended = jobs.filter((job) => job.status === 'completed').length;
  const applied = status === 'applying' && jobs.length > 0 ? Math.floor((ended / jobs.length) * 19) : 0;
  return { phase: phaseOf(status, positions), processed, percent: Math.min(read + applied, 99) };
}

function phaseOf(status: PullStatus, positions: PullRow['positions']): string | null {
  if (status !== 'fetching') return status === 'applying' ? 'applying' : null;
  return positions.sepa || positions.swift ? 'transactions' : 'companies and rates';
}

function sumOf(jobs: readonly PullJob[]): Counts {
  const sum: Counts = { ...NO_COUNTS };
  for (const { counts } of jobs) {
    for (const name of Object.keys(sum) as (keyof Counts)[]) sum[name] += counts?.[name] ?? 0;
  }
  return sum;
}

/** As JSON writes it; PostgreSQL's text has another form. */
function toDate(at: Date | null): Date | null {
  return at === null ? null : new Date(at);
}
