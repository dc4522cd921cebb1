import { EntityManager } from '@mikro-orm/postgresql';
import { Inject, Injectable } from '@nestjs/common';
import { acrossSources } from '../../database/source-isolation.js';
import { CONFIG, type Config } from '../../settings/config.js';
import type { DialectName, Pulled } from '../source/dialects.js';
import type { Piece } from './answer-collector.js';
import { type Gap, type Position, PULL_COLUMNS, type PullError, type PullRow, type PullWarning } from './pull-row.js';

/** Another worker has taken the pull, or it has been ended: this one must write nothing more. */
export class PullLost extends Error {}

/** A pull that this process works on, by its key and fence. */
export type HeldPull = Pick<PullRow, 'source_id' | 'id' | 'fence'>;

/** What of a pull is still to be submitted: the place of a piece, without its rows. */
export interface StoredPiece extends Omit<Piece, 'data'> {
  seq: number;
}

/** Which workers work on which pulls, and what each has reached. Every write for a pull checks its fence. */
@Injectable()
export class PullStore {
  constructor(
    private readonly em: EntityManager,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** Takes up to `limit` pulls that wait, or whose worker has stopped renewing its lease. */
  async take(limit: number): Promise<PullRow[]> {
    return acrossSources(async () => {
      const em = this.em.fork();
      const taken = await em.execute<{ id: string }[]>(
        `update cashflow_pull p
            set fence = p.fence + 1, attempts = p.attempts + 1, status = 'fetching',
                leased_until = clock_timestamp() + make_interval(secs => ?), started_at = coalesce(p.started_at, now())
           from (select source_id, id from cashflow_pull
                  where status in ('queued', 'fetching') and (leased_until is null or leased_until < now())
                  order by id limit ? for update skip locked) due
          where p.source_id = due.source_id and p.id = due.id
         returning p.id`,
        [this.leaseSeconds, limit],
      );
      if (taken.length === 0) return [];
      return em.execute<PullRow[]>(
        `select ${PULL_COLUMNS} from cashflow_pull p join source s on s.id = p.source_id
          where p.id = any(string_to_array(?, ',')::uuid[])`,
        [taken.map(({ id }) => id).join(',')],
      );
    });
  }

  /** Renews leases. @returns the ids of those that are still held */
  async renew(pulls: HeldPull[]): Promise<string[]> {
    if (pulls.length === 0) return [];
    const renewed = await acrossSources(() =>
      this.em.fork().execute<{ id: string }[]>(
        `update cashflow_pull p set leased_until = clock_timestamp() + make_interval(secs => ?)
           from json_to_recordset(?) as held (source_id int, id uuid, fence int)
          where p.source_id = held.source_id and p.id = held.id and p.fence = held.fence and p.status = 'fetching'
         returning p.id`,
        [this.leaseSeconds, JSON.stringify(pulls)],
      ),
    );
    return renewed.map(({ id }) => id);
  }

  /** Gives a pull back, for any worker to take after a pause. */
  async release(pull: HeldPull, pauseSeconds = 0): Promise<void> {
    await this.write(pull, 'leased_until = now() + make_interval(secs => ?)', [pauseSeconds]);
  }

  async noteDialect(pull: HeldPull, detected: DialectName): Promise<void> {
    await this.write(pull, 'detected = ?', [detected]);
  }

  /** Says why the pull does not move, or that it does again. */
  async noteWaiting(pull: HeldPull, reason: string | null): Promise<void> {
    if (reason === null) return this.write(pull, 'waiting = null', []);
    return this.write(pull, `waiting = jsonb_build_object('reason', ?::text, 'since', now())`, [reason]);
  }

  /**
   * Stores what an answer has brought together with where the pull stands, in one transaction: a source that keeps the cursor
   * cannot be asked again.
   * @throws PullLost
   */
  async commit(pull: HeldPull, resource: Pulled, position: Position, pieces: Piece[]): Promise<void> {
    const first = position.seq - pieces.length;
    await this.em.fork().transactional(async (em) => {
      await this.write(
        pull,
        `positions = positions || jsonb_build_object(?::text, ?::jsonb), attempts = 0`,
        [resource, JSON.stringify(position)],
        em,
      );
      for (const [place, { month, from, to, records, data }] of pieces.entries()) {
        await em.execute(
          `insert into cashflow_pull_piece (source_id, pull_id, resource, seq, month, from_at, to_at, records, data)
           values (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
          [pull.source_id, pull.id, resource, first + place, month, from, to, records, data],
        );
      }
    });
  }

  /** The pieces that are not submitted, in the order of time. */
  async pieces(pull: HeldPull, resource: Pulled): Promise<StoredPiece[]> {
    return this.em.fork().execute<StoredPiece[]>(
      `select seq, month, from_at as "from", to_at as "to", records from cashflow_pull_piece
        where source_id = ? and pull_id = ? and resource = ? order by month, from_at, seq`,
      [pull.source_id, pull.id, resource],
    );
  }

  /** The compressed rows of one piece. */
  async data(pull: HeldPull, resource: Pulled, seq: number): Promise<Buffer | null> {
    const [row] = await this.em
      .fork()
      .execute<{ data: Buffer | null }[]>(
        `select data from cashflow_pull_piece where source_id = ? and pull_id = ? and resource = ? and seq = ?`,
        [pull.source_id, pull.id, resource, seq],
      );
    return row?.data ?? null;
  }

  /** Pieces were accepted as the snapshot of a job: they go, and the job is remembered. @throws PullLost */
  async submitted(pull: HeldPull, resource: Pulled, seqs: number[], jobId: string | null): Promise<void> {
    await this.em.fork().transactional(async (em) => {
      await this.write(pull, 'attempts = 0', [], em);
      if (jobId !== null) {
        await em.execute(
          `insert into cashflow_pull_job (source_id, pull_id, job_id, resource) values (?, ?, ?, ?) on conflict do nothing`,
          [pull.source_id, pull.id, jobId, resource],
        );
      }
      await em.execute(
        `delete from cashflow_pull_piece
          where source_id = ? and pull_id = ? and resource = ? and seq = any(string_to_array(?, ',')::int[])`,
        [pull.source_id, pull.id, resource, seqs.join(',')],
      );
    });
  }

  /** All was received and accepted: what remains is that its jobs end. @throws PullLost */
  async fetched(pull: HeldPull, gaps: Gap[], warnings: PullWarning[]): Promise<void> {
    await this.write(
      pull,
      `status = 'applying', gaps = ?::jsonb, warnings = ?::jsonb, waiting = null, leased_until = null`,
      [JSON.stringify(gaps), JSON.stringify(warnings)],
    );
  }

  /** What was received and not submitted is given up. @throws PullLost */
  async fail(pull: HeldPull, error: PullError, gaps: Gap[]): Promise<void> {
    await this.em.fork().transactional(async (em) => {
      await this.write(
        pull,
        `status = 'failed', error = ?::jsonb, gaps = ?::jsonb, waiting = null, leased_until = null, finished_at = now()`,
        [JSON.stringify(error), JSON.stringify(gaps)],
        em,
      );
      await em.execute('delete from cashflow_pull_piece where source_id = ? and pull_id = ?', [
        pull.source_id,
        pull.id,
      ]);
    });
  }

  private async write(pull: HeldPull, change: string, values: unknown[], em = this.em.fork()): Promise<void> {
    const written = await em.execute<object[]>(
      `update cashflow_pull set ${change}
        where source_id = ? and id = ? and fence = ? and status = 'fetching' returning 1`,
      [...values, pull.source_id, pull.id, pull.fence],
    );
    if (written.length === 0) throw new PullLost('the pull is no longer ours');
  }

  private get leaseSeconds(): number {
    return this.config.WORKER_SILENCE_MS / 1000;
  }
}
