import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import type { Findings } from './findings.js';
import type { Line } from './ledger.js';
import type { World } from './world.js';

const POLL_MS = 100;

/** As the contract has it: work resumes within so much. */
const RECOVERY_LIMIT_MS = 10_000;

/** Twenty thousand rows take ten seconds where all cores are busy with something else. */
const LONGEST_TRANSACTION_MS = 60_000;

/**
 * Unfinished jobs; `runs` are those that nothing but time keeps back: under way, or waiting with nothing older of their
 * line unfinished. `look` moves with every sign of work; a hint to the queue is none. `heldSince` is the start of the
 * transaction that has the row locked: whoever locked a row last stands in its `xmax`.
 */
const UNFINISHED = `
  select job.id, source.name as source, job.resource, job.status, job.fence,
         concat_ws(' ', job.status, job.phase, job.processed, job.percent, job.fence, job.attempts, beat.beat_at) as look,
         job.status in ('staging', 'reconciling') or (job.status = 'queued' and not exists (
           select 1 from sync_job older
            where older.source_id = job.source_id and older.resource = job.resource and older.seq < job.seq
              and (older.status in ('queued', 'staging', 'reconciling')
                   or (older.status = 'awaiting_approval' and not job.dry_run)))) as runs,
         (extract(epoch from holder.xact_start) * 1000)::float8 as "heldSince"
    from sync_job job join source on source.id = job.source_id
    left join job_heartbeat beat on beat.job_id = job.id
    left join pg_locks lock on lock.locktype = 'transactionid' and lock.granted and lock.mode = 'ExclusiveLock'
      and lock.transactionid = job.xmax
    left join pg_stat_activity holder on holder.pid = lock.pid
   where job.status in ('queued', 'staging', 'reconciling', 'awaiting_approval')`;

const SESSIONS = `
  select pid, application_name as app, state, wait_event as waits, pg_blocking_pids(pid) as blockers,
         (clock_timestamp() - xact_start)::text as "for", left(regexp_replace(query, '\\s+', ' ', 'g'), 80) as query
    from pg_stat_activity where application_name ~ '^counterpart' and state <> 'idle'`;

interface Glimpse extends Line {
  id: string;
  status: string;
  fence: number;
  look: string;
  runs: boolean;
  heldSince: number | null;
}

/** When a job moved last, and until when its row was locked since. */
interface Movement {
  look: string;
  at: number;
  heldUntil: number;
  isTold: boolean;
}

/** A fault that is over, and the jobs that have not moved since, as they were. */
interface Recovery {
  kind: string;
  since: number;
  waiting: Map<string, { look: string; isHeld: boolean }>;
  /** When the last job that was hit moved. */
  lastMove: number | null;
}

/** Watches the table of jobs from outside: how long work takes to go on after each fault, and whether it ever stalls. */
export class RecoveryWatch {
  /** Milliseconds by kind of fault. */
  readonly times = new Map<string, number[]>();
  /** Faults after which nothing was to be done, and such as others overtook. */
  idle = 0;
  overtaken = 0;
  private unfinishedNow: Glimpse[] = [];
  private readonly moved = new Map<string, Movement>();
  private recoveries: Recovery[] = [];
  private fitSince = Number.POSITIVE_INFINITY;
  private client: pg.Client | null = null;

  constructor(
    private readonly url: string,
    private readonly world: World,
    private readonly findings: Findings,
    private readonly note: (event: string) => void,
  ) {}

  /** Unfinished jobs of a line, at the last look. */
  unfinished(line: Line): number {
    return this.unfinishedNow.filter(({ source, resource }) => source === line.source && resource === line.resource)
      .length;
  }

  /** Begins a measurement: work that was there when the fault struck has to move from now on. */
  faultEnded(kind: string): void {
    const running = this.unfinishedNow.filter(({ runs }) => runs);
    const waiting = new Map(running.map(({ id, look }) => [id, { look, isHeld: false }]));
    if (waiting.size === 0) this.idle += 1;
    else if (!this.world.isFit) this.overtaken += 1;
    else this.recoveries.push({ kind, since: Date.now(), waiting, lastMove: null });
  }

  async run(over: AbortSignal): Promise<void> {
    while (!over.aborted) {
      await delay(POLL_MS);
      const glimpses = await this.look().catch(() => null);
      if (glimpses) this.unfinishedNow = glimpses;
      this.judgeFitness(glimpses !== null);
      if (glimpses) this.follow(glimpses);
    }
    await this.client?.end().catch(() => undefined);
  }

  /** A new connection whenever the old one was lost. */
  private async look(): Promise<Glimpse[]> {
    if (!this.client) {
      const options = { connectionTimeoutMillis: 1_000, query_timeout: 2_000, application_name: 'chaos watch' };
      const client = new pg.Client({ connectionString: this.url, ...options });
      client.on('error', () => (this.client = null));
      await client.connect();
      this.client = client;
    }
    try {
      return (await this.client.query<Glimpse>(UNFINISHED)).rows;
    } catch (error) {
      void this.client?.end().catch(() => undefined);
      this.client = null;
      throw error;
    }
  }

  /** While something else keeps work back, the product's time stands still; it begins anew when that is over. */
  private judgeFitness(sees: boolean): void {
    if (!this.world.isFit) {
      this.overtaken += this.recoveries.length;
      this.recoveries = [];
    }
    const isFit = this.world.isFit && sees;
    this.fitSince = isFit ? Math.min(this.fitSince, Date.now()) : Number.POSITIVE_INFINITY;
  }

  private follow(glimpses: Glimpse[]): void {
    const now = Date.now();
    const running = new Map(glimpses.filter(({ runs }) => runs).map((glimpse) => [glimpse.id, glimpse]));
    for (const id of this.moved.keys()) if (!running.has(id)) this.moved.delete(id);
    for (const glimpse of running.values()) {
      const known = this.moved.get(glimpse.id);
      if (known?.look !== glimpse.look)
        this.moved.set(glimpse.id, { look: glimpse.look, at: now, heldUntil: 0, isTold: false });
      else this.judgeStall(glimpse, known, now);
    }
    for (const recovery of this.recoveries) this.measure(recovery, running, now);
    this.recoveries = this.recoveries.filter(({ waiting }) => waiting.size > 0);
  }

  /**
   * A job whose row is locked by a transaction from before the end of the fault is either untouched by the fault, and
   * then moves when that commits, or a dead worker's, and then goes on waiting. Untouched ones are not measured.
   */
  private measure(recovery: Recovery, running: Map<string, Glimpse>, now: number): void {
    for (const [id, job] of recovery.waiting) {
      const glimpse = running.get(id);
      const wasHeld = job.isHeld;
      job.isHeld = typeof glimpse?.heldSince === 'number';
      const isTakenUp = (glimpse?.heldSince ?? 0) > recovery.since;
      const hasMoved = glimpse?.look !== job.look;
      if (!isTakenUp && (job.isHeld || !hasMoved)) continue;
      recovery.waiting.delete(id);
      if (isTakenUp || !wasHeld) recovery.lastMove = now;
    }
    if (recovery.waiting.size > 0) return;
    const { kind, since, lastMove } = recovery;
    if (lastMove === null) {
      this.idle += 1;
      return;
    }
    const tookMs = lastMove - since;
    this.times.set(kind, [...(this.times.get(kind) ?? []), tookMs]);
    if (tookMs > RECOVERY_LIMIT_MS) this.findings.add('late recovery', `${tookMs} ms after ${kind}`);
  }

  /** A locked row is being worked on, but not for ever. */
  private judgeStall(glimpse: Glimpse, known: Movement, now: number): void {
    const { id, status, fence, source, resource, heldSince } = glimpse;
    const isHeld = heldSince !== null;
    const stalledMs = now - Math.max(known.at, this.fitSince, isHeld ? 0 : known.heldUntil);
    if (isHeld) known.heldUntil = now;
    if (stalledMs <= (isHeld ? LONGEST_TRANSACTION_MS : RECOVERY_LIMIT_MS) || known.isTold) return;
    known.isTold = true;
    this.findings.add(
      'stalled',
      `${id} (${source} ${resource}, ${status}, fence ${fence}${isHeld ? ', locked' : ''}): nothing for ${stalledMs} ms, until ${new Date(now).toISOString()}`,
    );
    void this.noteSessions();
  }

  /** Who is doing what, and who waits for whom: statements without what they carry. */
  private async noteSessions(): Promise<void> {
    const client = new pg.Client({ connectionString: this.url, connectionTimeoutMillis: 1_000, query_timeout: 2_000 });
    client.on('error', () => undefined);
    try {
      await client.connect();
      for (const row of (await client.query(SESSIONS)).rows) this.note(JSON.stringify(row));
    } catch {
      this.note('the database did not tell who is doing what');
    } finally {
      await client.end().catch(() => undefined);
    }
  }
}
