import { EntityManager } from '@mikro-orm/postgresql';
import { type BeforeApplicationShutdown, Injectable } from '@nestjs/common';
import { AsyncLocalStorage } from 'node:async_hooks';
import { acrossSources } from '../../platform/source-isolation.js';

/** How often the table is asked, once for all who wait in this process. */
const PERIOD_MS = 100;

/** What shows that a job has moved. */
interface Glimpse {
  id: string;
  status: string;
  look: string;
}

type Watcher = (glimpse: Glimpse) => void;

/**
 * Watches jobs for callers who wait for them: one small query each tenth of a second as long as anybody does, whatever
 * their number. Polling rather than LISTEN, which needs a connection of its own and is lost behind a pooler.
 */
@Injectable()
export class JobWatcher implements BeforeApplicationShutdown {
  private readonly watchers = new Map<string, Set<Watcher>>();
  private readonly leavers = new Set<() => void>();
  private timer: NodeJS.Timeout | undefined;
  private isStopping = false;

  constructor(private readonly em: EntityManager) {}

  /**
   * Calls `watcher` now and then again whenever the job has changed.
   * @param leave called when the process is about to stop: nobody should be kept waiting then
   * @returns how to stop it
   */
  watch(jobId: string, watcher: Watcher, leave: () => void): () => void {
    if (this.isStopping) {
      // Not before the caller knows how to stop watching.
      queueMicrotask(leave);
      return () => undefined;
    }
    let seen = '';
    // What it asks for is about its own source, whoever of those who wait began to look.
    const tell = AsyncLocalStorage.bind(watcher);
    const onGlimpse: Watcher = (glimpse) => {
      if (glimpse.look === seen) return;
      seen = glimpse.look;
      tell(glimpse);
    };
    const watchers = this.watchers.get(jobId) ?? new Set();
    this.watchers.set(jobId, watchers.add(onGlimpse));
    this.leavers.add(leave);
    this.timer ??= setTimeout(() => void this.look(), 0);
    return () => {
      this.leavers.delete(leave);
      watchers.delete(onGlimpse);
      if (watchers.size === 0) this.watchers.delete(jobId);
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
    for (const leave of this.leavers) leave();
    this.watchers.clear();
    clearTimeout(this.timer);
  }

  private async look(): Promise<void> {
    const ids = [...this.watchers.keys()];
    // One who waits asks for all. While the database is away there is nothing new to tell.
    const glimpses = await acrossSources(() =>
      this.em.fork().execute<Glimpse[]>(
        `select id, status, status || ' ' || coalesce(phase, '') || ' ' || processed || ' ' || percent as look
           from sync_job where id = any(string_to_array(?, ',')::uuid[])`,
        [ids.join(',')],
      ),
    ).catch(() => []);
    for (const glimpse of glimpses) this.watchers.get(glimpse.id)?.forEach((watcher) => watcher(glimpse));
    this.timer = this.watchers.size > 0 ? setTimeout(() => void this.look(), PERIOD_MS) : undefined;
  }
}
