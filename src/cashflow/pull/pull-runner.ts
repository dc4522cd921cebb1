import { type BeforeApplicationShutdown, Inject, Injectable, Logger } from '@nestjs/common';
import { setTimeout as delay } from 'node:timers/promises';
import { isOutage } from '../../database/outage.js';
import { withinSource } from '../../database/source-isolation.js';
import { safeError } from '../../logging/safe-error.js';
import { PeriodicTask } from '../../runtime/periodic-task.js';
import { CONFIG, type Config } from '../../settings/config.js';
import { SourceFault } from '../source/source-fault.js';
import { SourceTargets } from '../source/source-targets.js';
import { PullRun, Stopping } from './pull-run.js';
import type { PullError, PullRow } from './pull-row.js';
import { PullSchedules } from './pull-schedules.js';
import { PullSettler } from './pull-settler.js';
import { PullLost, PullStore } from './pull-store.js';
import { PullSubmitter } from './pull-submitter.js';

/** Between looks for pulls that are due and that nobody works on. */
const PAUSE_MS = 1_000;

/** Renewals within the time of a lease: five may be missed. */
const RENEWALS_PER_LEASE = 6;

/** How long pulls that were interrupted may take to be given back. */
const GIVE_BACK_MS = 3_000;

/** After a failure of our own, a pull is left alone so long for each attempt. */
const RETRY_SECONDS = 5;

/** A pull that this process works on. */
interface Work {
  pull: PullRow;
  end: AbortController;
  done: Promise<void>;
}

/** Works on pulls under leases, several at a time, and looks for those that are due. */
@Injectable()
export class PullRunner implements BeforeApplicationShutdown {
  readonly task = new PeriodicTask({ name: 'looking for pulls', pauseMs: PAUSE_MS, run: () => this.look() });
  private readonly logger = new Logger(PullRunner.name);
  private readonly works = new Map<string, Work>();
  private renewal: NodeJS.Timeout | undefined;
  private isStopping = false;

  constructor(
    private readonly store: PullStore,
    private readonly submitter: PullSubmitter,
    private readonly targets: SourceTargets,
    private readonly schedules: PullSchedules,
    private readonly settler: PullSettler,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** Lets the requests that are under way come to their end, as what they bring may not come again; within limits. */
  async beforeApplicationShutdown(): Promise<void> {
    this.isStopping = true;
    if (await this.haveEnded(this.config.SHUTDOWN_TIMEOUT_SECONDS * 500)) return;
    for (const { end } of this.works.values()) end.abort(new Stopping('the process stops'));
    await this.haveEnded(GIVE_BACK_MS);
    clearInterval(this.renewal);
  }

  private async haveEnded(withinMs: number): Promise<boolean> {
    const ended = Promise.all([...this.works.values()].map(({ done }) => done)).then(() => true);
    return Promise.race([ended, delay(withinMs, false, { ref: false })]);
  }

  private async look(): Promise<void> {
    if (this.isStopping) return;
    await this.settler.settle();
    await this.schedules.startDue();
    const free = this.config.PULL_CONCURRENCY - this.works.size;
    for (const pull of free > 0 ? await this.store.take(free) : []) this.start(pull);
  }

  private start(pull: PullRow): void {
    const end = new AbortController();
    const done = withinSource(pull.source_id, () => this.work(pull, end)).then(() => {
      this.works.delete(pull.id);
      this.task.wake();
    });
    this.works.set(pull.id, { pull, end, done });
    this.renewal ??= setInterval(() => void this.renew(), this.config.WORKER_SILENCE_MS / RENEWALS_PER_LEASE);
  }

  private async renew(): Promise<void> {
    const works = [...this.works.values()];
    const held = works.map(({ pull: { source_id, id, fence } }) => ({ source_id, id, fence }));
    // A worker that cannot reach the database loses its leases.
    const renewed = await this.store.renew(held).catch(() => null);
    for (const { pull, end } of works) {
      if (renewed !== null && !renewed.includes(pull.id)) end.abort(new PullLost('the pull was ended'));
    }
    if (this.works.size > 0) return;
    clearInterval(this.renewal);
    this.renewal = undefined;
  }

  /** Never fails: what cannot be recorded is taken up again when the lease has run out. */
  private async work(pull: PullRow, end: AbortController): Promise<void> {
    const { store, submitter, targets, config } = this;
    const mayGoOn = () => {
      if (this.isStopping) throw new Stopping('the process stops');
    };
    const run = new PullRun(pull, { store, submitter, targets, config, end, mayGoOn });
    try {
      const { gaps, warnings } = await run.run();
      await store.fetched(pull, gaps, warnings);
    } catch (error) {
      await this.conclude(pull, run, end.signal.reason instanceof PullLost ? end.signal.reason : error).catch(
        (failure: unknown) => {
          if (!(failure instanceof PullLost)) this.report(pull, failure);
        },
      );
    }
  }

  private async conclude(pull: PullRow, run: PullRun, error: unknown): Promise<void> {
    if (error instanceof PullLost) return;
    if (error instanceof SourceFault) {
      const { code, detail, resource } = error;
      await this.fail(pull, run, { code, detail, resource, jobId: null });
    } else if (this.isStopping) {
      await this.store.release(pull);
    } else {
      this.report(pull, error);
      const isHopeless = pull.attempts >= this.config.MAX_ATTEMPTS && !isOutage(error);
      const detail = 'An internal error occurred.';
      if (isHopeless) await this.fail(pull, run, { code: 'internal_error', detail, resource: null, jobId: null });
      else await this.store.release(pull, RETRY_SECONDS);
    }
  }

  private async fail(pull: PullRow, run: PullRun, error: PullError): Promise<void> {
    await this.store.fail(pull, error, run.gaps());
    this.logger.warn({ pull: pull.id, code: error.code }, 'a pull has failed');
  }

  private report(pull: PullRow, error: unknown): void {
    this.logger.error({ pull: pull.id, err: safeError(error) }, 'an attempt at a pull failed');
  }
}
