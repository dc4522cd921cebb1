import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import type { Findings } from './findings.js';
import type { Line } from './ledger.js';
import type { Availability } from './availability.js';

const POLL_MS = 100;

/** The contract's limit for work to resume. */
const RECOVERY_LIMIT_MS = 10_000;

/** A job of 20,000 rows takes ten seconds where all cores are busy with other work. */
const LONGEST_TRANSACTION_MS = 60_000;

/**
 * Unfinished jobs. `runs`: it is under way, or waits while nothing older of its source and resource is unfinished that may touch the same rows.
 * `progress` differs after every sign of work; a notification in the queue is none. `heldSince` is the start of the
 * transaction that has the row locked, which a row has as its `xmax`.
 */
const UNFINISHED = `
  select job.id, source.name as source, job.resource, job.status, job.fence,
         concat_ws(' ', job.status, job.phase, job.processed, job.percent, job.fence, job.attempts, beat.beat_at) as progress,
         job.status in ('staging', 'reconciling') or (job.status = 'queued' and not exists (
           select 1 from sync_job older
            where older.source_id = job.source_id and older.resource = job.resource and older.seq < job.seq
              and (older.window_low is null or job.window_low is null
                   or (older.window_low < job.window_high and job.window_low < older.window_high))
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

interface JobState extends Line {
  id: string;
  status: string;
  fence: number;
  progress: string;
  runs: boolean;
  heldSince: number | null;
}

/** When a job moved last, and until when its row was locked since. */
interface Movement {
  progress: string;
  at: number;
  heldUntil: number;
  isReported: boolean;
}

/** A fault that is over, and the jobs that have not moved since, with their progress at that time. */
interface Recovery {
  kind: string;
  since: number;
  waiting: Map<string, { progress: string; isHeld: boolean }>;
  /** When the last job that was hit moved. */
  lastMove: number | null;
}

/** Watches the table of jobs from outside: how long work takes to go on after each fault, and whether it ever stalls. */
export class RecoveryWatch {
  /** Milliseconds by kind of fault. */
  readonly times = new Map<string, number[]>();
  /** Faults after which there was no work, and faults that were followed by another one before work had resumed. */
  idle = 0;
  overtaken = 0;
  private unfinishedNow: JobState[] = [];
  private readonly moved = new Map<string, Movement>();
  private recoveries: Recovery[] = [];
  private ableSince = Number.POSITIVE_INFINITY;
  private client: pg.Client | null = null;

  constructor(
    private readonly url: string,
    private readonly availability: Availability,
    private readonly findings: Findings,
    private readonly note: (event: string) => void,
  ) {}

  /** Unfinished jobs of a line, at the last poll. */
  unfinished(line: Line): number {
    return this.unfinishedNow.filter(({ source, resource }) => source === line.source && resource === line.resource)
      .length;
  }

  /** Begins a measurement: jobs that were unfinished during the fault have to move from now on. */
  faultEnded(kind: string): void {
    const running = this.unfinishedNow.filter(({ runs }) => runs);
    const waiting = new Map(running.map(({ id, progress }) => [id, { progress, isHeld: false }]));
    if (waiting.size === 0) this.idle += 1;
    else if (!this.availability.canWork) this.overtaken += 1;
    else this.recoveries.push({ kind, since: Date.now(), waiting, lastMove: null });
  }

  async run(over: AbortSignal): Promise<void> {
    while (!over.aborted) {
      await delay(POLL_MS);
      const states = await this.poll().catch(() => null);
      if (states) this.unfinishedNow = states;
      this.judgeAvailability(states !== null);
      if (states) this.follow(states);
    }
    await this.client?.end().catch(() => undefined);
  }

  /** Connects again whenever the connection was lost. */
  private async poll(): Promise<JobState[]> {
    if (!this.client) {
      const options = { connectionTimeoutMillis: 1_000, query_timeout: 2_000, application_name: 'chaos watch' };
      const client = new pg.Client({ connectionString: this.url, ...options });
      client.on('error', () => (this.client = null));
      await client.connect();
      this.client = client;
    }
    try {
      return (await this.client.query<JobState>(UNFINISHED)).rows;
    } catch (error) {
      void this.client?.end().catch(() => undefined);
      this.client = null;
      throw error;
    }
  }

  /** While jobs cannot be worked on no time is measured; it starts again from zero after that. */
  private judgeAvailability(sees: boolean): void {
    if (!this.availability.canWork) {
      this.overtaken += this.recoveries.length;
      this.recoveries = [];
    }
    const canWork = this.availability.canWork && sees;
    this.ableSince = canWork ? Math.min(this.ableSince, Date.now()) : Number.POSITIVE_INFINITY;
  }

  private follow(states: JobState[]): void {
    const now = Date.now();
    const running = new Map(states.filter(({ runs }) => runs).map((state) => [state.id, state]));
    for (const id of this.moved.keys()) if (!running.has(id)) this.moved.delete(id);
    for (const state of running.values()) {
      const known = this.moved.get(state.id);
      if (known?.progress !== state.progress)
        this.moved.set(state.id, { progress: state.progress, at: now, heldUntil: 0, isReported: false });
      else this.judgeStall(state, known, now);
    }
    for (const recovery of this.recoveries) this.measure(recovery, running, now);
    this.recoveries = this.recoveries.filter(({ waiting }) => waiting.size > 0);
  }

  /**
   * A job whose row is locked by a transaction from before the end of the fault was either not hit by it, and moves when
   * that transaction commits, or its worker is dead, and it goes on waiting. Jobs that were not hit are not measured.
   */
  private measure(recovery: Recovery, running: Map<string, JobState>, now: number): void {
    for (const [id, job] of recovery.waiting) {
      const state = running.get(id);
      const wasHeld = job.isHeld;
      job.isHeld = typeof state?.heldSince === 'number';
      const isTakenUp = (state?.heldSince ?? 0) > recovery.since;
      const hasMoved = state?.progress !== job.progress;
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

  /** A locked row means work in progress, but only up to a limit. */
  private judgeStall(state: JobState, known: Movement, now: number): void {
    const { id, status, fence, source, resource, heldSince } = state;
    const isHeld = heldSince !== null;
    const stalledMs = now - Math.max(known.at, this.ableSince, isHeld ? 0 : known.heldUntil);
    if (isHeld) known.heldUntil = now;
    if (stalledMs <= (isHeld ? LONGEST_TRANSACTION_MS : RECOVERY_LIMIT_MS) || known.isReported) return;
    known.isReported = true;
    this.findings.add(
      'stalled',
      `${id} (${source} ${resource}, ${status}, fence ${fence}${isHeld ? ', locked' : ''}): nothing for ${stalledMs} ms, until ${new Date(now).toISOString()}`,
    );
    void this.noteSessions();
  }

  /** Notes the sessions, their statements (without values), and which one blocks which. */
  private async noteSessions(): Promise<void> {
    const client = new pg.Client({ connectionString: this.url, connectionTimeoutMillis: 1_000, query_timeout: 2_000 });
    client.on('error', () => undefined);
    try {
      await client.connect();
      for (const row of (await client.query(SESSIONS)).rows) this.note(JSON.stringify(row));
    } catch {
      this.note('the sessions of the database could not be listed');
    } finally {
      await client.end().catch(() => undefined);
    }
  }
}
