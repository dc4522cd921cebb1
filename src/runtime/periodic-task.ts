import {
  Logger,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
  type Provider,
  type Type,
} from '@nestjs/common';
import { safeError } from '../logging/safe-error.js';

/** Work that a process repeats for as long as it runs. */
export interface PeriodicWork {
  /** What it does, as the log names it: `cleaning webhooks`. */
  name: string;
  /** From the end of a run to the start of the next one. */
  pauseMs: number;
  /**
   * Whether the first run may come 5 to 10 s after the start, once the start no longer needs the connections. The time is
   * random, as many processes may have started together. Without it the first run comes at once.
   */
  canWait?: true;
  /** Does the work once. `stopping` is aborted at shutdown, for runs that can end early. */
  run: (stopping: AbortSignal) => Promise<void>;
}

/** The least and the most time that work which can wait waits for its first run. */
const [MIN_WAIT_MS, MAX_WAIT_MS] = [5_000, 10_000];

/**
 * Repeats work from the start of the application to its shutdown, which waits for a run that is under way. A run that
 * fails is logged, and the next one comes all the same. Nest starts and stops the task, see {@link withTask}.
 */
export class PeriodicTask implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(PeriodicTask.name);
  private readonly stopping = new AbortController();
  private timer: NodeJS.Timeout | undefined;
  private current: Promise<void> = Promise.resolve();
  private isRunning = false;
  private isWoken = false;

  /** @param firstWaitMs from the start to the first run of work that can wait */
  constructor(
    private readonly work: PeriodicWork,
    private readonly firstWaitMs = MIN_WAIT_MS + Math.random() * (MAX_WAIT_MS - MIN_WAIT_MS),
  ) {}

  onApplicationBootstrap(): void {
    if (!this.work.canWait) this.start();
    else this.timer = setTimeout(() => this.start(), this.firstWaitMs);
  }

  onApplicationShutdown(): Promise<void> {
    return this.stop();
  }

  /** Starts a run at once or, during a run, as soon as that ends: one run, however many callers ask meanwhile. */
  wake(): void {
    this.isWoken = true;
    if (this.isRunning || this.stopping.signal.aborted) return;
    clearTimeout(this.timer);
    this.start();
  }

  /** Starts no further run. @returns when the current run has ended */
  stop(): Promise<void> {
    this.stopping.abort();
    clearTimeout(this.timer);
    return this.current;
  }

  private start(): void {
    this.isRunning = true;
    this.isWoken = false;
    this.current = this.work
      .run(this.stopping.signal)
      .catch((error: unknown) => this.logger.warn({ err: safeError(error) }, `${this.work.name} failed`))
      .then(() => {
        this.isRunning = false;
        if (this.stopping.signal.aborted) return;
        if (this.isWoken) this.start();
        else this.timer = setTimeout(() => this.start(), this.work.pauseMs);
      });
  }
}

/**
 * Provides a class along with its task. The task is a provider of its own that depends on the class, so Nest starts it
 * after the class's own start and stops it before the class is stopped.
 */
export function withTask(type: Type<{ readonly task: PeriodicTask }>): Provider[] {
  const task = Symbol(`the task of ${type.name}`);
  return [type, { provide: task, inject: [type], useFactory: (owner: { task: PeriodicTask }) => owner.task }];
}
