import { LockMode } from '@mikro-orm/core';
import { EntityManager } from '@mikro-orm/postgresql';
import { Inject, Injectable } from '@nestjs/common';
import { CONFIG, type Config } from '../../settings/config.js';
import { INSTANCE } from '../../runtime/instance.js';
import { acrossSources, asSessionUser } from '../../database/source-isolation.js';
import { clearAttempt } from '../staging/clear-attempt.js';
import { type AppliedDefinition, AppliedDefinitions, appliedTo } from './applied-definitions.js';
import { IS_DUE, HAS_NO_HEARTBEAT, ITS_TURN } from '../model/job-conditions.js';
import type { JobError } from '../model/job-outcome.js';
import { Interrupted, type Lease, LeaseLost } from './lease.js';
import { SyncJob } from '../model/sync-job.entity.js';

/** The wait after the first attempt that failed, or an outage; after each further one it is four times as long. */
const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 300_000;

/** The wait of a job that was postponed. A slot that looks for 250 ms whether the mirror is free then serves many of them. */
const SHORTEST_POSTPONEMENT_MS = 100;
const LONGEST_POSTPONEMENT_MS = 2_000;

/** When a job's turn has come, and the definitions that its work touches, as they were applied. */
interface Turn {
  now: Date;
  applied: AppliedDefinition[];
}

/** Decides which worker may work on a job, and makes sure that no other worker can write for it. */
@Injectable()
export class JobLeases {
  constructor(
    private readonly em: EntityManager,
    private readonly applied: AppliedDefinitions,
    @Inject(INSTANCE) private readonly instance: string,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** The source of a job, which its notification does not name; null if there is no such job. */
  async sourceOf(jobId: string): Promise<number | null> {
    const [row] = await acrossSources(() =>
      this.em.fork().execute<{ source_id: number }[]>('select source_id from sync_job where id = ?', [jobId]),
    );
    return row?.source_id ?? null;
  }

  /**
   * Takes a job that waits and whose turn it is, or one whose worker sends no heartbeats any more.
   * @returns null if there is nothing to do: it runs elsewhere, is over, waits for an older one or for a server that has the
   * definitions that were applied, or does not exist
   */
  async take(jobId: string): Promise<Lease | null> {
    return this.em.fork().transactional(async (em) => {
      const job = await em.findOne(SyncJob, jobId, { lockMode: LockMode.PESSIMISTIC_PARTIAL_WRITE });
      const found = job && (await this.findTurn(em, job));
      if (!found) return null;
      const { now, applied } = found;
      const objection = this.applied.objection(applied, job.resource);
      if (objection) {
        // It stays due: the rescuer notifies again until such a server takes it.
        Object.assign(job, { lastError: objection.message, retryAt: job.retryAt ?? now });
        return null;
      }
      if (job.snapshotId !== null) job.definition = applied.find(({ name }) => name === job.resource)?.version ?? null;
      if (job.status !== 'queued') job.lastError = 'its worker stopped sending heartbeats';
      job.fence += 1;
      if (job.attempts >= this.config.MAX_ATTEMPTS) {
        await failJob(em, job, tooManyAttempts(job));
        return null;
      }
      job.attempts += 1;
      job.retryAt = null;
      job.moveTo('staging');
      job.startedAt ??= now;
      await em.execute(
        `insert into job_heartbeat (job_id, fence, instance, beat_at) values (?, ?, ?, clock_timestamp())
         on conflict (job_id) do update
            set fence = excluded.fence, instance = excluded.instance, beat_at = excluded.beat_at`,
        [jobId, job.fence, this.instance],
      );
      const untouched = { isInterrupted: false, isEnding: false, interruption: Promise.resolve() };
      const { resource, snapshotId, fence } = job;
      return { jobId, resource, snapshotId, isAtOnce: job.isAtOnce(), fence, backendPid: null, ...untouched };
    });
  }

  /** @returns the time by the database's clock, and the definitions by which it is to be done; null if it is not its turn */
  private async findTurn(em: EntityManager, job: SyncJob): Promise<Turn | null> {
    const isRunning = job.status === 'staging' || job.status === 'reconciling';
    if (!isRunning && job.status !== 'queued') return null;
    const [condition, values] = isRunning
      ? [HAS_NO_HEARTBEAT, [this.config.WORKER_SILENCE_MS / 1000]]
      : [`${ITS_TURN} and ${IS_DUE}`, []];
    const [row] = await em.execute<{ now: string; applied: AppliedDefinition[] }[]>(
      `select ${NOW_MS} as now, ${appliedTo('job.resource')} as applied from sync_job job where job.id = ? and ${condition}`,
      [job.id, ...values],
    );
    return row ? { now: new Date(Number(row.now)), applied: row.applied } : null;
  }

  /**
   * Runs `work` in a transaction that locks the job, and only if no other worker has taken the job since.
   * The entities that `work` changes, the job among them, are flushed in the same transaction.
   * @throws LeaseLost
   */
  async underLease<T>(lease: Lease, work: (em: EntityManager, job: SyncJob) => Promise<T>): Promise<T> {
    return this.em.fork().transactional(async (em) => {
      if (lease.isInterrupted) throw new Interrupted();
      lease.backendPid = await limitStatements(em, this.config.JOB_STATEMENT_TIMEOUT_SECONDS);
      try {
        const job = await em.findOne(SyncJob, lease.jobId, { lockMode: LockMode.PESSIMISTIC_WRITE });
        if (!job || job.fence !== lease.fence || job.isOver()) throw new LeaseLost();
        return await work(em, job);
      } finally {
        lease.backendPid = null;
      }
    });
  }

  /**
   * Ends what runs under a lease, wherever it is: its statement is cancelled, and no further transaction begins. May be
   * repeated, and does nothing while the end of the lease is being written.
   */
  async interrupt(lease: Lease): Promise<void> {
    if (lease.isEnding) return;
    lease.isInterrupted = true;
    const { backendPid } = lease;
    if (backendPid === null) return;
    lease.interruption = asSessionUser(() => this.em.fork().execute('select pg_cancel_backend(?)', [backendPid])).catch(
      // Without the database there is no statement to cancel either.
      () => undefined,
    );
    await lease.interruption;
  }

  /** Puts back a job that this worker cannot finish because it stops: as if it had not been tried. */
  async release(lease: Lease): Promise<void> {
    await this.endUndisturbed(lease, async (em, job) => {
      job.attempts -= 1;
      await requeue(em, job);
    });
  }

  /**
   * Puts back a job that cannot go on while another one is applied, so that it keeps no worker from other jobs. That is
   * no attempt either.
   * @param pause for how long, and why, if that is no matter of other jobs
   * @returns after how many milliseconds it may be taken again: the longer it has been under way, the later
   */
  async postpone(lease: Lease, pause?: { waitMs: number; reason: string }): Promise<number> {
    lease.isInterrupted = false;
    return this.underLease(lease, async (em, job) => {
      const now = await databaseNow(em);
      const underWayMs = now.getTime() - (job.startedAt ?? now).getTime();
      const busyMs = Math.min(Math.max(Math.round(underWayMs / 2), SHORTEST_POSTPONEMENT_MS), LONGEST_POSTPONEMENT_MS);
      const waitMs = pause?.waitMs ?? busyMs;
      if (pause) job.lastError = pause.reason;
      job.attempts -= 1;
      job.retryAt = new Date(now.getTime() + waitMs);
      await requeue(em, job);
      return waitMs;
    });
  }

  /**
   * Puts back a job after an attempt that failed, to be tried again, or ends it if that was the last.
   * @param reason what ended the attempt, without anything of a record
   * @param pace `soon` if what failed was a service that may be back by now; otherwise it waits longer each time
   */
  async retry(lease: Lease, reason: string, pace: 'soon' | 'later'): Promise<void> {
    await this.endUndisturbed(lease, async (em, job) => {
      job.lastError = reason;
      if (job.attempts >= this.config.MAX_ATTEMPTS) {
        await failJob(em, job, tooManyAttempts(job));
        return;
      }
      const failures = pace === 'soon' ? 1 : job.attempts;
      const waitMs = Math.min(FIRST_RETRY_MS * 4 ** (failures - 1), LONGEST_RETRY_MS);
      job.retryAt = new Date((await databaseNow(em)).getTime() + waitMs);
      await requeue(em, job);
    });
  }

  /** Ends a job that cannot be done. The mirror is as it was. */
  async fail(lease: Lease, error: JobError): Promise<void> {
    await this.endUndisturbed(lease, (em, job) => failJob(em, job, error));
  }

  /** Like `underLease`, for what a stop waits for: an interrupt that is late, or repeated, does not cancel it. */
  private async endUndisturbed(lease: Lease, work: (em: EntityManager, job: SyncJob) => Promise<void>): Promise<void> {
    lease.isEnding = true;
    lease.isInterrupted = false;
    await lease.interruption;
    await this.underLease(lease, work);
  }
}

async function failJob(em: EntityManager, job: SyncJob, error: JobError): Promise<void> {
  job.error = error;
  job.moveTo('failed', await databaseNow(em));
  await clearAttempt(em, job);
}

async function requeue(em: EntityManager, job: SyncJob): Promise<void> {
  job.fence += 1;
  job.phase = null;
  job.percent = 0;
  job.moveTo('queued');
  await clearAttempt(em, job);
}

function tooManyAttempts({ attempts, lastError }: SyncJob): JobError {
  const detail = `The job was given up after ${attempts} ${attempts === 1 ? 'attempt' : 'attempts'}; at the last one, ${lastError ?? 'it was stopped'}. Nothing in the mirror has changed.`;
  return { code: 'too_many_attempts', detail, line: null, byteOffset: null, record: null };
}

/** Twenty thousand wide rows are sorted in it, for which PostgreSQL's default of 4 MB goes to disk. */
const WORK_MEMORY = '16MB';

/**
 * Bounds the statements of a job's transaction, which are long ones. Their plans' costs deceive the just-in-time compiler:
 * it costs more than it saves here.
 * @returns the PostgreSQL process that runs them
 */
async function limitStatements(em: EntityManager, timeoutSeconds: number): Promise<number> {
  const [row] = await em.execute<{ pid: number }[]>(
    `select pg_backend_pid() as pid, set_config('statement_timeout', ?, true), set_config('lock_timeout', ?, true),
            set_config('jit', 'off', true), set_config('work_mem', '${WORK_MEMORY}', true)`,
    [`${timeoutSeconds}s`, `${timeoutSeconds}s`],
  );
  if (!row) throw new Error('PostgreSQL did not tell the id of its process');
  return row.pid;
}

/** SQL: milliseconds since 1970, as text. */
export const NOW_MS = `(extract(epoch from clock_timestamp()) * 1000)::bigint::text`;

/** The database's clock, to the millisecond: the only one that all instances share. */
export async function databaseNow(em: EntityManager): Promise<Date> {
  const [row] = await em.execute<{ now: string }[]>(`select ${NOW_MS} as now`);
  return new Date(Number(row?.now));
}
