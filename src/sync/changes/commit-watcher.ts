import { EntityManager } from '@mikro-orm/postgresql';
import { type BeforeApplicationShutdown, Injectable } from '@nestjs/common';
import { acrossSources } from '../../database/source-isolation.js';

/** How often the table is asked, once for all who wait in this process. */
const POLL_MS = 100;

/** A caller that waits for a commit of a source after the one that it knows. */
interface Waiter {
  source: string;
  beyond: number;
  end: (hasCome: boolean) => void;
}

/** Waits for commits, as `JobWatcher` does for jobs: a small query each tenth of a second while anybody waits. */
@Injectable()
export class CommitWatcher implements BeforeApplicationShutdown {
  private readonly waiters = new Set<Waiter>();
  private timer: NodeJS.Timeout | undefined;
  private isStopping = false;

  constructor(private readonly em: EntityManager) {}

  /** @returns true once the source has a commit beyond that one; false after `timeoutMs`, or when the process stops */
  async waitBeyond(source: string, beyond: number, timeoutMs: number): Promise<boolean> {
    if (this.isStopping) return false;
    return new Promise((resolve) => {
      const limit = setTimeout(() => waiter.end(false), timeoutMs);
      const waiter: Waiter = {
        source,
        beyond,
        end: (hasCome) => {
          clearTimeout(limit);
          this.waiters.delete(waiter);
          resolve(hasCome);
        },
      };
      this.waiters.add(waiter);
      this.timer ??= setTimeout(() => void this.poll(), POLL_MS);
    });
  }

  beforeApplicationShutdown(): void {
    this.isStopping = true;
    for (const waiter of this.waiters) waiter.end(false);
    clearTimeout(this.timer);
  }

  private async poll(): Promise<void> {
    const sources = new Set([...this.waiters].map(({ source }) => source));
    // One poll for the callers of all sources. While the database is away there is nothing new to report.
    const rows = await acrossSources(() =>
      this.em
        .fork()
        .execute<{ name: string; last_commit: string }[]>(
          `select name, last_commit from source where name = any(string_to_array(?, ','))`,
          [[...sources].join(',')],
        ),
    ).catch(() => []);
    const last = new Map(rows.map((row) => [row.name, Number(row.last_commit)]));
    for (const waiter of this.waiters) {
      if ((last.get(waiter.source) ?? 0) > waiter.beyond) waiter.end(true);
    }
    this.timer = this.waiters.size > 0 ? setTimeout(() => void this.poll(), POLL_MS) : undefined;
  }
}
