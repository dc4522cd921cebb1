import { EntityManager } from '@mikro-orm/postgresql';
import { type BeforeApplicationShutdown, Inject, Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { CONFIG, type Config } from '../../settings/config.js';
import { Refusal } from '../../http/refusal.js';
import { acrossSources, withinSource } from '../../database/source-isolation.js';
import { Sources } from '../sources/sources.js';

/** A slot whose process has not renewed it for so long is free: work is to go on within ten seconds of a process's death. */
const LEASE_SECONDS = 8;

/** Two renewals may fail. */
const RENEW_EVERY_MS = 2_000;

/**
 * Uploads of one source that run at once, over all instances: each holds a slot in the database, which its process renews
 * while it streams. The process's own count comes first, so that a flood at one instance costs the database nothing.
 */
@Injectable()
export class UploadSlots implements BeforeApplicationShutdown {
  private readonly uploads = new Map<string, number>();
  private readonly held = new Set<string>();
  private timer: NodeJS.Timeout | undefined;
  private isStopping = false;

  constructor(
    private readonly em: EntityManager,
    private readonly sources: Sources,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /**
   * Does the work of an upload, within its source, while holding a slot. A source comes into being with its first one.
   * @throws Refusal 429 if there is no slot
   */
  async hold<T>(source: string, upload: (sourceId: number) => Promise<T>): Promise<T> {
    this.enter(source);
    try {
      const sourceId = await this.sources.ensure(source);
      const slot = await this.take(sourceId);
      try {
        return await withinSource(sourceId, () => upload(sourceId));
      } finally {
        await this.giveBack(slot);
      }
    } finally {
      this.leave(source);
    }
  }

  /**
   * What is cut off by the stop gives back nothing: hundreds of statements would wait for connections while these are
   * being closed, and the pool (pg-pool 3) then never comes to its end. The leases end by themselves.
   */
  beforeApplicationShutdown(): void {
    this.isStopping = true;
  }

  private enter(source: string): void {
    const running = this.uploads.get(source) ?? 0;
    if (running >= this.config.MAX_CONCURRENT_UPLOADS) throw this.tooMany();
    this.uploads.set(source, running + 1);
  }

  private leave(source: string): void {
    const running = (this.uploads.get(source) ?? 1) - 1;
    if (running > 0) this.uploads.set(source, running);
    else this.uploads.delete(source);
  }

  private async take(sourceId: number): Promise<string> {
    const slot = uuidv7();
    const [row] = await this.execute<{ taken: boolean }>('select take_upload_slot(?, ?, ?, ?) as taken', [
      slot,
      sourceId,
      this.config.MAX_CONCURRENT_UPLOADS,
      LEASE_SECONDS,
    ]);
    if (!row?.taken) throw this.tooMany();
    this.held.add(slot);
    this.timer ??= setInterval(() => void this.renew(), RENEW_EVERY_MS);
    return slot;
  }

  /** Before the answer, so that a sender whose next upload follows at once is not refused because of this one. Never rejects. */
  private async giveBack(slot: string): Promise<void> {
    this.held.delete(slot);
    if (this.held.size === 0) {
      clearInterval(this.timer);
      this.timer = undefined;
    }
    if (this.isStopping) return;
    // If that fails it is free when its lease is over.
    await this.execute('delete from upload_slot where id = ?', [slot]).catch(() => undefined);
  }

  /** One statement for all of them. Of those that were lost, as the process was paused, none comes back. */
  private async renew(): Promise<void> {
    await this.execute(
      `update upload_slot set until = clock_timestamp() + make_interval(secs => ?)
          where id = any(select jsonb_array_elements_text(?::jsonb)::uuid)`,
      [LEASE_SECONDS, JSON.stringify([...this.held])],
    ).catch(() => undefined);
  }

  /** The slots of all sources: row-level security hides them from work within one source. */
  private execute<Row>(sql: string, values: unknown[]): Promise<Row[]> {
    return acrossSources(() => this.em.fork().execute<Row[]>(sql, values));
  }

  private tooMany(): Refusal {
    const detail = `At most ${this.config.MAX_CONCURRENT_UPLOADS} uploads of a source at once.`;
    return new Refusal(429, 'too_many_uploads', detail, { headers: { 'Retry-After': '1' } });
  }
}
