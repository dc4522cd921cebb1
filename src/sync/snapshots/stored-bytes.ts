import { EntityManager } from '@mikro-orm/postgresql';
import { Inject, Injectable } from '@nestjs/common';
import { CONFIG, type Config } from '../../settings/config.js';
import { Refusal } from '../../http/refusal.js';
import { BATCH_SNAPSHOTS, purgeSnapshots } from './purge-snapshots.js';

/** Snapshots purged for one upload. It is one as a rule; more where the limit was lowered, and then the next upload goes on. */
const MAX_PURGED = 1_000;

/** Limits what the snapshots of one source take up in the database. */
@Injectable()
export class StoredBytes {
  constructor(
    private readonly em: EntityManager,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /**
   * Makes room for one more snapshot where a source has used up its share: the oldest bytes that no unfinished job needs
   * go before their time, as a mirror that stands still would be worse.
   * @throws Refusal 507 if unfinished jobs alone take up all of it
   */
  async makeRoom(sourceId: number): Promise<void> {
    const limit = this.config.MAX_STORED_BYTES;
    if ((await this.storedBy(sourceId)) < limit) return;
    const em = this.em.fork();
    const old = await this.beyondLimit(em, sourceId);
    for (let first = 0; first < old.length; first += BATCH_SNAPSHOTS) {
      await purgeSnapshots(em, old.slice(first, first + BATCH_SNAPSHOTS));
    }
    if ((await this.storedBy(sourceId)) >= limit) {
      throw Refusal.insufficientStorage(
        'storage_limit_reached',
        'The snapshots of this source whose jobs are unfinished take up all the storage that a source may use.',
      );
    }
  }

  /** The oldest snapshots that are not needed and beyond the limit, if the newer ones are counted first. */
  private async beyondLimit(em: EntityManager, sourceId: number): Promise<string[]> {
    const rows = await em.execute<{ id: string }[]>(
      `with kept as (
         select s.id, s.touched_at, needed,
                sum(s.stored_bytes) over (order by needed desc, s.touched_at desc, s.id desc) as newer
           from snapshot s cross join lateral (
                  select not s.complete or exists (
                    select 1 from sync_job j where j.snapshot_id = s.id and j.finished_at is null) as needed) n
          where s.source_id = ? and s.purged_at is null
       )
       select id from kept where not needed and newer >= ? order by touched_at limit ?`,
      [sourceId, this.config.MAX_STORED_BYTES, MAX_PURGED],
    );
    return rows.map(({ id }) => id);
  }

  private async storedBy(sourceId: number): Promise<number> {
    const [row] = await this.em
      .fork()
      .execute<{ bytes: string }[]>(
        `select coalesce(sum(stored_bytes), 0)::text as bytes from snapshot where source_id = ? and purged_at is null`,
        [sourceId],
      );
    return Number(row?.bytes);
  }
}
