import { EntityManager } from '@mikro-orm/postgresql';
import { type BeforeApplicationShutdown, Inject, Injectable } from '@nestjs/common';
import { setTimeout as delay } from 'node:timers/promises';
import { CONFIG, type Config } from '../../settings/config.js';
import { acrossSources } from '../../database/source-isolation.js';
import { JobLeases } from '../leases/job-leases.js';
import type { Lease } from '../leases/lease.js';

/** Heartbeats within the time after which a worker without any counts as dead: five may be missed. */
const HEARTBEATS_PER_SILENCE = 6;

/** How often a job that has to stop is interrupted: a statement may begin just after the last interrupt. */
const INTERRUPT_EVERY_MS = 100;

/** How long interrupted jobs may take to be released. */
const INTERRUPT_MS = 4_000;

/**
 * The jobs that run in this process: sends heartbeats for them, by the database's clock, and finishes or releases them
 * when the process stops. The heartbeats lie in a table of their own, since a reconciliation keeps its job's row locked,
 * and a lock lives on while its worker is paused.
 */
@Injectable()
export class RunningJobs implements BeforeApplicationShutdown {
  private readonly running = new Map<Lease, Promise<void>>();
  private timer: NodeJS.Timeout | undefined;
  private isSending = false;
  isStopping = false;

  constructor(
    private readonly em: EntityManager,
    private readonly leases: JobLeases,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** Does the work of a lease, and sends heartbeats for it meanwhile. */
  async run(lease: Lease, work: () => Promise<void>): Promise<void> {
    this.timer ??= setInterval(
      () => void this.sendHeartbeats(),
      this.config.WORKER_SILENCE_MS / HEARTBEATS_PER_SILENCE,
    );
    const done = work();
    this.running.set(lease, done);
    try {
      await done;
    } finally {
      this.running.delete(lease);
      if (this.running.size === 0) {
        clearInterval(this.timer);
        this.timer = undefined;
      }
    }
  }

  /** Lets the jobs that run come to their end, within limits; the rest is released for another worker. */
  async beforeApplicationShutdown(): Promise<void> {
    this.isStopping = true;
    if (await this.haveEnded(this.config.SHUTDOWN_TIMEOUT_SECONDS * 500)) return;
    const deadline = Date.now() + INTERRUPT_MS;
    // What still runs then rolls back as the process ends, and the rescuer finds its jobs without heartbeats.
    while (Date.now() < deadline) {
      await Promise.allSettled([...this.running.keys()].map((lease) => this.leases.interrupt(lease)));
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
  private async sendHeartbeats(): Promise<void> {
    if (this.isSending) return;
    this.isSending = true;
    const held = JSON.stringify([...this.running.keys()].map(({ jobId, fence }) => ({ job_id: jobId, fence })));
    await acrossSources(() =>
      this.em.fork().execute(
        `update job_heartbeat h set beat_at = clock_timestamp()
           from json_to_recordset(?) as held (job_id uuid, fence int)
          where h.job_id = held.job_id and h.fence = held.fence`,
        [held],
      ),
    )
      // A worker that cannot reach the database sends no heartbeat.
      .catch(() => undefined);
    this.isSending = false;
  }
}
