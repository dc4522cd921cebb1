import { EntityManager } from '@mikro-orm/postgresql';
import { type BeforeApplicationShutdown, Injectable } from '@nestjs/common';
import { AsyncLocalStorage } from 'node:async_hooks';
import { acrossSources } from '../../database/source-isolation.js';

/**
 * The pause between two looks at the table, once for all who wait in this process: a fifth of what the caller who came last has
 * waited so far, so that a job of a tenth of a second is not told after two.
 */
const [LEAST_PAUSE_MS, MOST_PAUSE_MS] = [20, 100];
const SHARE_OF_WAIT = 0.2;

/** A job as a poll finds it. */
interface JobState {
  id: string;
  status: string;
  /** Everything that callers wait for, as text: differs once the job has moved. */
  progress: string;
}

type Listener = (state: JobState) => void;

/**
 * Watches jobs for callers who wait for them: one small query each tenth of a second, and more often in the beginning, as long as
 * anybody does, whatever their number. Polling rather than LISTEN, which needs a connection of its own and is lost behind a pooler.
 */
@Injectable()
export class JobWatcher implements BeforeApplicationShutdown {
  private readonly listeners = new Map<string, Set<Listener>>();
  private readonly shutdownListeners = new Set<() => void>();
  private timer: NodeJS.Timeout | undefined;
  private isPolling = false;
  /** When the caller who came last began to wait. */
  private lastCame = 0;
  private isStopping = false;

  constructor(private readonly em: EntityManager) {}

  /**
   * Calls `listener` now, and again whenever the job has changed.
   * @param onShutdown called when the process is about to stop: nobody should be kept waiting then
   * @returns how to stop it
   */
  watch(jobId: string, listener: Listener, onShutdown: () => void): () => void {
    if (this.isStopping) {
      // Not before the caller knows how to stop watching.
      queueMicrotask(onShutdown);
      return () => undefined;
    }
    let seen = '';
    // The listener works within its caller's source, although one poll serves the callers of all sources.
    const notify = AsyncLocalStorage.bind(listener);
    const onState: Listener = (state) => {
      if (state.progress === seen) return;
      seen = state.progress;
      notify(state);
    };
    const listeners = this.listeners.get(jobId) ?? new Set();
    this.listeners.set(jobId, listeners.add(onState));
    this.shutdownListeners.add(onShutdown);
    this.lastCame = performance.now();
    if (!this.isPolling) this.pollAfter(0);
    return () => {
      this.shutdownListeners.delete(onShutdown);
      listeners.delete(onState);
      if (listeners.size === 0) this.listeners.delete(jobId);
    };
  }

  /** Resolves when the job's status satisfies `isEnough`, or after `timeoutMs`. */
  async waitFor(jobId: string, isEnough: (status: string) => boolean, timeoutMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const stop = this.watch(
        jobId,
        ({ status }) => isEnough(status) && finish(),
        () => finish(),
      );
      const limit = setTimeout(() => finish(), timeoutMs);
      const finish = () => {
        clearTimeout(limit);
        stop();
        resolve();
      };
    });
  }

  beforeApplicationShutdown(): void {
    this.isStopping = true;
    for (const onShutdown of this.shutdownListeners) onShutdown();
    this.listeners.clear();
    clearTimeout(this.timer);
  }

  private pollAfter(pauseMs: number): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.poll(), pauseMs);
  }

  private async poll(): Promise<void> {
    this.isPolling = true;
    const ids = [...this.listeners.keys()];
    // One poll for the callers of all sources. While the database is away there is nothing new to report.
    const states = await acrossSources(() =>
      this.em.fork().execute<JobState[]>(
        `select id, status, status || ' ' || coalesce(phase, '') || ' ' || processed || ' ' || percent as progress
           from sync_job where id = any(string_to_array(?, ',')::uuid[])`,
        [ids.join(',')],
      ),
    ).catch(() => []);
    for (const state of states) this.listeners.get(state.id)?.forEach((listener) => listener(state));
    this.isPolling = false;
    if (this.listeners.size === 0) return;
    const waited = performance.now() - this.lastCame;
    this.pollAfter(Math.min(Math.max(SHARE_OF_WAIT * waited, LEAST_PAUSE_MS), MOST_PAUSE_MS));
  }
}
