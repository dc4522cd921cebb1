import { EntityManager } from '@mikro-orm/postgresql';
import { type BeforeApplicationShutdown, Injectable, type OnModuleInit } from '@nestjs/common';
import { setTimeout as delay } from 'node:timers/promises';
import { v7 as uuidv7, validate as isUuid } from 'uuid';
import { Cursors, listScope } from '../../http/cursors.js';
import type { Page } from '../../http/paging.js';
import { Refusal } from '../../http/refusal.js';
import { OtherJobs } from '../../sync/model/other-jobs.js';
import { SourceTargets } from '../source/source-targets.js';
import { readEvery } from './every.js';
import { PULL_COLUMNS, type PullRow, type PullStatus, UNFINISHED } from './pull-row.js';
import { PullQueue } from './pull-queue.js';
import { type PullJob, type PullView, pullView } from './pull-view.js';
import type { CreatePull, ListPulls } from './pull.dto.js';

/** Statuses that a pull does not leave by itself. */
const AT_REST: readonly PullStatus[] = ['completed', 'failed', 'cancelled', 'awaiting_approval'];

/** How often a pull is looked at for a caller who waits for its end. */
const WATCH_MS = 250;

/** Begins, lists and ends the pulls of a source. Pulls of other sources do not exist for it. */
@Injectable()
export class Pulls implements OnModuleInit, BeforeApplicationShutdown {
  private isStopping = false;

  constructor(
    private readonly em: EntityManager,
    private readonly targets: SourceTargets,
    private readonly queue: PullQueue,
    private readonly cursors: Cursors,
    private readonly otherJobs: OtherJobs,
  ) {}

  onModuleInit(): void {
    this.otherJobs.register((sourceId, id, waitSeconds) => this.find(sourceId, id, waitSeconds));
  }

  beforeApplicationShutdown(): void {
    this.isStopping = true;
  }

  /** @throws Refusal 400 for an address that must not be pulled from, 409 if a pull of the source is under way or scheduled */
  async create(sourceId: number, order: CreatePull): Promise<PullView> {
    const everySeconds = order.every === undefined ? null : readEvery(order.every);
    const baseUrl = await this.targets.accept(order.baseUrl);
    const id = uuidv7();
    const next = await this.em.fork().transactional(async (em) => {
      // Otherwise two at the same time could both be the only one.
      await em.execute('select pg_advisory_xact_lock(hashtextextended(?, 0))', [`counterpart:pulls:${sourceId}`]);
      await refuseSecond(em, sourceId);
      const [row] = await em.execute<{ next_at: Date | null }[]>(
        `insert into cashflow_pull (source_id, id, base_url, dialect, rates, every, every_seconds, next_at)
         values (?, ?, ?, ?, ?, ?, ?::int, now() + make_interval(secs => ?::int)) returning next_at`,
        [sourceId, id, baseUrl, order.dialect, order.rates, order.every ?? null, everySeconds, everySeconds],
      );
      return row?.next_at ?? null;
    });
    await this.queue.notify(id);
    if (everySeconds !== null && next !== null) await this.queue.schedule(id, everySeconds * 1000, new Date(next));
    return this.get(sourceId, id);
  }

  /** @param waitSeconds for how long to wait for its end. @throws Refusal 404 */
  async get(sourceId: number, id: string, waitSeconds = 0): Promise<PullView> {
    const view = await this.find(sourceId, id, waitSeconds);
    if (!view) throw Refusal.notFound('pull');
    return view;
  }

  /** Newest first. */
  async list(sourceId: number, { limit, cursor, status }: ListPulls): Promise<Page<PullView>> {
    const scope = listScope('pulls', sourceId, { status });
    const after = this.cursors.read(cursor, scope, 1)?.[0] ?? null;
    const rows = await this.select(
      `p.source_id = ? and (?::text is null or p.status = ?) and (?::uuid is null or p.id < ?::uuid)
        order by p.id desc limit ?`,
      [sourceId, status ?? null, status ?? null, after, after, limit + 1],
    );
    const page = this.cursors.toPage(rows, limit, scope, ({ id }) => [id]);
    const jobs = Map.groupBy(await this.jobsOf(sourceId, page.items), (job) => job.pull_id);
    return { ...page, items: page.items.map((pull) => pullView(pull, jobs.get(pull.id) ?? [])) };
  }

  /**
   * Ends a pull that is under way, and its schedule. Jobs that it has made stay. Again, it changes nothing.
   * @throws Refusal 404, 409 if the pull has ended by itself and has no schedule
   */
  async end(sourceId: number, id: string): Promise<void> {
    const { status, every, scheduledBy } = await this.get(sourceId, id);
    const isSchedule = every !== null && scheduledBy === null;
    if ((status === 'completed' || status === 'failed') && !isSchedule) {
      throw new Refusal(409, 'wrong_status', `The pull is ${status}; there is nothing left to end.`);
    }
    await this.em.fork().transactional(async (em) => {
      await em.execute('update cashflow_pull set next_at = null where source_id = ? and id = ?', [sourceId, id]);
      await em.execute(
        `with ended as (
           update cashflow_pull
              set status = 'cancelled', fence = fence + 1, finished_at = now(), waiting = null, leased_until = null
            where source_id = ? and (id = ? or schedule_id = ?) and status in ${UNFINISHED} returning source_id, id)
         delete from cashflow_pull_piece piece using ended
          where piece.source_id = ended.source_id and piece.pull_id = ended.id`,
        [sourceId, id, id],
      );
    });
    if (isSchedule) await this.queue.unschedule(id);
  }

  private async find(sourceId: number, id: string, waitSeconds: number): Promise<PullView | null> {
    if (!isUuid(id)) return null;
    const deadline = Date.now() + waitSeconds * 1000;
    for (;;) {
      const [pull] = await this.select('p.source_id = ? and p.id = ?', [sourceId, id]);
      if (!pull) return null;
      const isEnough = AT_REST.includes(pull.status) || this.isStopping || Date.now() >= deadline;
      if (isEnough) return pullView(pull, await this.jobsOf(sourceId, [pull]));
      await delay(WATCH_MS);
    }
  }

  private async select(condition: string, values: unknown[]): Promise<PullRow[]> {
    const sql = `select ${PULL_COLUMNS} from cashflow_pull p join source s on s.id = p.source_id where ${condition}`;
    const rows = await this.em.fork().execute<PullRow[]>(sql, values);
    return rows;
  }

  private async jobsOf(sourceId: number, pulls: readonly PullRow[]): Promise<PullJob[]> {
    if (pulls.length === 0) return [];
    return this.em.fork().execute<PullJob[]>(
      `select of_pull.pull_id, of_pull.resource, of_pull.job_id as id, j.status, j.counts, j.window_from as "from",
              j.window_to as "to"
         from cashflow_pull_job of_pull left join sync_job j on j.id = of_pull.job_id
        where of_pull.source_id = ? and of_pull.pull_id = any(string_to_array(?, ',')::uuid[])
        order by of_pull.job_id`,
      [sourceId, pulls.map(({ id }) => id).join(',')],
    );
  }
}

/** A source has one pull, or one schedule of pulls, at a time. @throws Refusal 409 that names it */
async function refuseSecond(em: EntityManager, sourceId: number): Promise<void> {
  const [first] = await em.execute<{ id: string }[]>(
    `select coalesce(schedule_id, id) as id from cashflow_pull
      where source_id = ? and (status in ${UNFINISHED} or next_at is not null) order by id limit 1`,
    [sourceId],
  );
  if (!first) return;
  const detail = `The pull ${first.id} of this source is under way or scheduled. End it first, or wait for its end.`;
  throw new Refusal(409, 'pull_under_way', detail, { headers: { Location: `/cashflow/pulls/${first.id}` } });
}
