import { EntityManager } from '@mikro-orm/postgresql';
import { type BeforeApplicationShutdown, Inject, Injectable } from '@nestjs/common';
import { setTimeout as delay } from 'node:timers/promises';
import { CONFIG, type Config } from '../../platform/config.js';
import { acrossSources } from '../../platform/source-isolation.js';
import { type Claim, JobClaims } from './job-claims.js';

/** Beats within the time after which silence counts as death: five may be missed. */
const BEATS_PER_SILENCE = 6;

/** How often a job that has to stop is told so: what it runs may begin just after it was told. */
const INTERRUPT_EVERY_MS = 100;

/** How long jobs that were told to stop may take to be given back. */
const INTERRUPT_MS = 4_000;

/**
 * The jobs that run in this process: tells by the database's clock that they are worked on, and sees to it that a stop
 * of the process leaves none of them half done. The heartbeats lie in a table of their own, since a reconciliation keeps
 * its job's row locked, and a lock lives on while its worker is paused.
 */
@Injectable()
export class RunningJobs implements BeforeApplicationShutdown {
  private readonly running = new Map<Claim, Promise<void>>();
  private timer: NodeJS.Timeout | undefined;
  private isBeating = false;
  isStopping = false;

  constructor(
    private readonly em: EntityManager,
    private readonly claims: JobClaims,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** Does the work of a claim while telling that it is being done. */
  async run(claim: Claim, work: () => Promise<void>): Promise<void> {
    this.timer ??= setInterval(() => void this.beat(), this.config.WORKER_SILENCE_MS / BEATS_PER_SILENCE);
    const done = work();
    this.running.set(claim, done);
    try {
      await done;
    } finally {
      this.running.delete(claim);
      if (this.running.size === 0) {
        clearInterval(this.timer);
        this.timer = undefined;
      }
    }
  }

  /** Lets what runs come to its end, within limits; what does not is given back for another worker. */
  async beforeApplicationShutdown(): Promise<void> {
    this.isStopping = true;
    if (await this.haveEnded(this.config.SHUTDOWN_TIMEOUT_SECONDS * 500)) return;
    const deadline = Date.now() + INTERRUPT_MS;
    // What still runs then rolls back as the process ends, and the rescuer finds its jobs silent.
    while (Date.now() < deadline) {
      await Promise.allSettled([...this.running.keys()].map((claim) => this.claims.interrupt(claim)));
      if (await this.haveEnded(INTERRUPT_EVERY_MS)) return;
    }
  }

  private async haveEnded(withinMs: number): Promise<boolean> {
    const end = new AbortController();
    const late = delay(withinMs, false, { signal: end.signal }).catch(() => false);
    const ended = await Promise.race([Promise.allSettled(this.running.values()).then(() => true), late]);
    end.abort();
    return ended;
  }

  /** One statement for all of them. */
  private async beat(): Promise<void> {
    if (this.isBeating) return;
    this.isBeating = true;
    const held = JSON.stringify([...this.running.keys()].map(({ jobId, fence }) => ({ job_id: jobId, fence })));
    await acrossSources(() =>
      this.em.fork().execute(
        `update job_heartbeat h set beat_at = clock_timestamp()
           from json_to_recordset(?) as held (job_id uuid, fence int)
          where h.job_id = held.job_id and h.fence = held.fence`,
        [held],
      ),
    )
      // Silence is what a worker without its database has to offer.
      .catch(() => undefined);
    this.isBeating = false;
  }
}
