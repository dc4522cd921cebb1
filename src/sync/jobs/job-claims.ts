import { LockMode } from '@mikro-orm/core';
import { EntityManager } from '@mikro-orm/postgresql';
import { Inject, Injectable } from '@nestjs/common';
import { CONFIG, type Config } from '../../platform/config.js';
import { dropStagingTable } from '../reconcile/staging-table.js';
import { type JobError, SyncJob } from './sync-job.entity.js';

/** How often a worker says that it lives. */
export const HEARTBEAT_MS = 2_000;

/** A worker that was silent for so long is taken for dead: three beats missed, and still well within ten seconds. */
export const SILENCE_MS = 6_000;

/** A worker's right to write for a job, until somebody claims it anew. */
export interface Claim {
  jobId: string;
  fence: number;
}

/** The claim is no longer the newest one, or the job was cancelled: stop, without a trace. */
export class FenceLost extends Error {
  constructor() {
    super('the job was taken over or cancelled');
  }
}

/** Decides which worker may work on a job, and makes sure that no other one's writes get through. */
@Injectable()
export class JobClaims {
  constructor(
    private readonly em: EntityManager,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /**
   * Takes a job that waits, or one whose worker has fallen silent, if it is its turn.
   * @returns null if there is nothing to do: it runs elsewhere, is over, waits behind an older one, or is not there
   */
  async claim(jobId: string): Promise<Claim | null> {
    return this.em.fork().transactional(async (em) => {
      // A locked row means a live worker: whoever died has lost its connection, and with it the lock.
      const job = await em.findOne(SyncJob, jobId, { lockMode: LockMode.PESSIMISTIC_PARTIAL_WRITE });
      if (!job || !(await this.isClaimable(em, job))) return null;
      const now = await databaseNow(em);
      job.fence += 1;
      if (job.attempts >= this.config.MAX_ATTEMPTS) {
        job.error = tooManyAttempts(job.attempts);
        job.moveTo('failed', now);
        return null;
      }
      job.attempts += 1;
      job.moveTo('staging', now);
      job.startedAt ??= now;
      job.heartbeatAt = now;
      return { jobId, fence: job.fence };
    });
  }

  private async isClaimable(em: EntityManager, job: SyncJob): Promise<boolean> {
    if (job.status === 'staging' || job.status === 'reconciling') {
      const now = await databaseNow(em);
      return now.getTime() - (job.heartbeatAt?.getTime() ?? 0) > SILENCE_MS;
    }
    return job.status === 'queued' && (await isItsTurn(em, job));
  }

  /**
   * A unit of work of the claim's holder: the job is locked, and the work is done only while the claim is the newest.
   * The entities that `work` changes, the job among them, are flushed in the same transaction.
   * @throws FenceLost
   */
  async underFence<T>(claim: Claim, work: (em: EntityManager, job: SyncJob) => Promise<T>): Promise<T> {
    return this.em.fork().transactional(async (em) => {
      const job = await em.findOne(SyncJob, claim.jobId, { lockMode: LockMode.PESSIMISTIC_WRITE });
      if (!job || job.fence !== claim.fence || job.isOver()) throw new FenceLost();
      return work(em, job);
    });
  }

  /** Tells that the worker lives. A row that is locked is being worked on, which says as much. */
  async beat(claim: Claim): Promise<void> {
    await this.em.fork().execute(
      `update sync_job set heartbeat_at = clock_timestamp()
        where id = (select id from sync_job where id = ? and fence = ? for update skip locked)`,
      [claim.jobId, claim.fence],
    );
  }

  /** Puts a job back that this worker cannot finish. `counts` as an attempt unless it is stopped on purpose. */
  async giveBack(claim: Claim, reason: 'stopping' | 'trouble'): Promise<void> {
    await this.underFence(claim, async (em, job) => {
      job.fence += 1;
      if (reason === 'stopping') job.attempts -= 1;
      job.moveTo('queued', await databaseNow(em));
      job.phase = null;
      job.percent = 0;
    });
  }

  /** Ends a job that cannot be done. The mirror is as it was. */
  async fail(claim: Claim, error: JobError): Promise<void> {
    await this.underFence(claim, async (em, job) => {
      job.error = error;
      job.moveTo('failed', await databaseNow(em));
      await em.execute('delete from sync_error where job_id = ? and at = ?', [job.id, job.submittedAt]);
      await dropStagingTable(em, job.id);
    });
  }
}

function tooManyAttempts(attempts: number): JobError {
  const detail = `The job was given up after ${attempts} attempts. Nothing in the mirror has changed.`;
  return { code: 'too_many_attempts', detail, line: null, byteOffset: null, record: null };
}

/**
 * Jobs of one source and resource take effect in the order of their acceptance: nothing starts while an older one is
 * under way. A held job keeps back those that would change the mirror, but not dry runs, which help to decide on it.
 */
export const ITS_TURN = `not exists (
  select 1 from sync_job older
   where older.source_id = job.source_id and older.resource = job.resource and older.seq < job.seq
     and (older.status in ('queued', 'staging', 'reconciling')
          or (older.status = 'awaiting_approval' and not job.dry_run)))`;

async function isItsTurn(em: EntityManager, job: SyncJob): Promise<boolean> {
  const rows = await em.execute(`select 1 from sync_job job where job.id = ? and ${ITS_TURN}`, [job.id]);
  return rows.length > 0;
}

/** The database's clock, to the millisecond: the only one that all instances share. */
export async function databaseNow(em: EntityManager): Promise<Date> {
  const [row] = await em.execute<{ now: string }[]>(
    `select (extract(epoch from clock_timestamp()) * 1000)::bigint::text as now`,
  );
  return new Date(Number(row?.now));
}
