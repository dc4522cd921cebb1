import { EntityManager } from '@mikro-orm/postgresql';
import { type BeforeApplicationShutdown, Injectable } from '@nestjs/common';
import { acrossSources } from '../../platform/source-isolation.js';

/** How often the table is asked, once for all who wait in this process. */
const PERIOD_MS = 100;

/** Somebody who waits for a commit of a source beyond the one that they know. */
interface Waiting {
  source: string;
  beyond: number;
  end: (hasCome: boolean) => void;
}

/** Waits for commits, as `JobWatcher` does for jobs: a small query each tenth of a second while anybody waits. */
@Injectable()
export class CommitWatcher implements BeforeApplicationShutdown {
  private readonly waiting = new Set<Waiting>();
  private timer: NodeJS.Timeout | undefined;
  private isStopping = false;

  constructor(private readonly em: EntityManager) {}

  /** @returns true once the source has a commit beyond that one; false after `timeoutMs`, or when the process stops */
  async waitBeyond(source: string, beyond: number, timeoutMs: number): Promise<boolean> {
    if (this.isStopping) return false;
    return new Promise((resolve) => {
      const limit = setTimeout(() => one.end(false), timeoutMs);
      const one: Waiting = {
        source,
        beyond,
        end: (hasCome) => {
          clearTimeout(limit);
          this.waiting.delete(one);
          resolve(hasCome);
        },
      };
      this.waiting.add(one);
      this.timer ??= setTimeout(() => void this.look(), PERIOD_MS);
    });
  }

  beforeApplicationShutdown(): void {
    this.isStopping = true;
    for (const one of this.waiting) one.end(false);
    clearTimeout(this.timer);
  }

  private async look(): Promise<void> {
    const sources = new Set([...this.waiting].map(({ source }) => source));
    // One who waits asks for all. While the database is away there is nothing new to tell.
    const rows = await acrossSources(() =>
      this.em
        .fork()
        .execute<{ name: string; last_commit: string }[]>(
          `select name, last_commit from source where name = any(string_to_array(?, ','))`,
          [[...sources].join(',')],
        ),
    ).catch(() => []);
    const last = new Map(rows.map((row) => [row.name, Number(row.last_commit)]));
    for (const one of this.waiting) {
      if ((last.get(one.source) ?? 0) > one.beyond) one.end(true);
    }
    this.timer = this.waiting.size > 0 ? setTimeout(() => void this.look(), PERIOD_MS) : undefined;
  }
}
