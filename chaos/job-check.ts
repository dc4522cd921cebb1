import { BANK } from './bank.js';
import { GUARD, MirrorModel, type ModelJob } from '../test/contract/mirror-model.js';
import type { Database } from './database.js';
import type { Findings } from './findings.js';
import type { Accepted, Ledger } from './ledger.js';
import { recordsOf } from './records.js';

/** The server's processes have the same deletion guard as the model. */
export const GUARD_SETTINGS = {
  DELETE_GUARD_ROWS: String(GUARD.rows),
  DELETE_GUARD_PERCENT: String(GUARD.percent),
};

const OVER = ['completed', 'failed', 'cancelled', 'rejected', 'superseded'];

interface JobRow {
  id: string;
  seq: number;
  source: string;
  resource: string;
  mode: string;
  windowFrom: string | null;
  windowTo: string | null;
  deletes: string;
  dryRun: boolean;
  status: string;
  error: { code: string } | null;
  counts: Record<string, number>;
  replayOf: string | null;
  /** When it took effect: no two jobs of a source that changed the mirror have the same time. */
  effectAt: Date;
  errors: number;
}

const JOBS = `
  select job.id, seq::int, source.name as source, resource, mode, window_from as "windowFrom",
         window_to as "windowTo", deletes, dry_run as "dryRun", status, error, counts,
         replay_of as "replayOf", coalesce(applied_at, finished_at) as "effectAt",
         (select count(*)::int from sync_error where job_id = job.id) as errors
    from sync_job job join source on source.id = job.source_id
   where source.name <> '${BANK}'
   order by source.name, resource, seq`;

/** Checks every job against what was promised to its sender and, if it took effect, against the result of the model. */
export class JobCheck {
  readonly byStatus: Record<string, number> = {};
  /** Completed jobs that had to be approved. */
  approved = 0;
  readonly models = new Map<string, MirrorModel>();

  constructor(
    private readonly ledger: Ledger,
    private readonly findings: Findings,
  ) {}

  /** To be called once all jobs have ended. Leaves a model of each source in its final state. */
  async run(database: Database): Promise<void> {
    const jobs = await database.query<JobRow>(JOBS);
    const known = jobs.filter((job) => this.isPromised(job));
    const ids = new Set(jobs.map(({ id }) => id));
    for (const id of this.ledger.accepted.keys()) if (!ids.has(id)) this.findings.add('lost', `job ${id} is not there`);
    this.checkOrder(known);
    for (const job of jobs) {
      this.byStatus[job.status] = (this.byStatus[job.status] ?? 0) + 1;
      this.checkStatus(job, jobs);
    }
    const effective = known.filter(({ status }) => status === 'completed');
    for (const job of effective.toSorted(byEffect)) this.checkEffect(job);
  }

  modelOf(source: string): MirrorModel {
    const model = this.models.get(source) ?? new MirrorModel();
    this.models.set(source, model);
    return model;
  }

  private isPromised({ id, replayOf }: JobRow): boolean {
    if (this.ledger.accepted.has(id)) return true;
    if (replayOf !== null && this.ledger.adoptReplay(id, replayOf)) return true;
    this.findings.add('unasked', `job ${id} belongs to no accepted request`);
    return false;
  }

  /**
   * A job that was accepted before another one was sent has the lower number; effects come in the order of the numbers, except
   * of windows that are apart from each other.
   */
  private checkOrder(jobs: JobRow[]): void {
    for (const line of Map.groupBy(jobs, ({ source, resource }) => `${source} ${resource}`).values()) {
      let earliest: { jobId: string; answeredAt: number } | null = null;
      for (const job of line.toReversed()) {
        const promise = this.ledger.accepted.get(job.id) as Accepted;
        if (earliest && earliest.answeredAt < promise.sentAt) {
          this.findings.add('order of acceptance', `${job.id} before ${earliest.jobId}`);
        }
        if (!earliest || promise.answeredAt < earliest.answeredAt) earliest = promise;
      }
      const applied = line.filter(({ status, dryRun }) => status === 'completed' && !dryRun);
      for (const [place, job] of applied.entries()) {
        const before = applied.slice(0, place).find((older) => overlaps(older, job) && older.effectAt >= job.effectAt);
        if (before) this.findings.add('order of effects', `${job.id} not after ${before.id}`);
      }
    }
  }

  private checkStatus(job: JobRow, jobs: JobRow[]): void {
    const { id, status, counts, error } = job;
    const bad = (what: string) => this.findings.add('wrong job', `${id} is ${status}: ${what}`);
    const { received = 0, created = 0, updated = 0, unchanged = 0, rejected = 0 } = counts;
    if (received !== created + updated + unchanged + rejected) bad('its counts do not add up');
    if (!OVER.includes(status)) bad('it is not over');
    const isBroken = this.ledger.accepted.get(id)?.plan.isBroken ?? false;
    if (status === 'failed' && !isBroken) bad(`with ${error?.code}, though its snapshot is good`);
    if (status === 'completed' && isBroken) bad('though its snapshot is broken');
    if (status === 'cancelled' && !this.ledger.mayHave(id, 'cancel')) bad('no operator cancelled it');
    if (status === 'rejected' && !this.ledger.mayHave(id, 'reject')) bad('no operator rejected it');
    if (status === 'superseded' && !jobs.some((other) => supersedes(other, job))) bad('nothing newer supersedes it');
    if (status === 'failed' && job.errors > 0) bad(`it left ${job.errors} errors of records`);
  }

  /** Gives the job to the model, which must have the same result; a job that the guard holds needs an approval. */
  private checkEffect(job: JobRow): void {
    const { plan, options, line } = this.ledger.accepted.get(job.id) as Accepted;
    const model = this.modelOf(line.source);
    const expected: ModelJob = model.submit(line.resource, recordsOf(plan), options, job.seq);
    if (expected.status === 'awaiting_approval') {
      if (!this.ledger.mayHave(job.id, 'approve')) {
        this.findings.add('guard', `${job.id} took effect without approval`);
      }
      model.decide(expected, 'approve');
      this.approved += 1;
    }
    // The model keeps its jobs, but needs their records no longer.
    expected.records = [];
    for (const [name, count] of Object.entries(expected.counts ?? {})) {
      if (job.counts[name] === count) continue;
      this.findings.add('wrong counts', `${job.id}, ${name}: ${job.counts[name]} instead of ${count}`);
    }
    const errors = (expected.counts?.['rejected'] ?? 0) + (expected.counts?.['unresolved'] ?? 0);
    if (job.errors !== errors) {
      this.findings.add('wrong errors', `${job.id} reports ${job.errors} records instead of ${errors}`);
    }
  }
}

function supersedes(newer: JobRow, older: JobRow): boolean {
  const isSameLine = newer.source === older.source && newer.resource === older.resource;
  if (!isSameLine || newer.seq <= older.seq || newer.dryRun) return false;
  return newer.mode === 'full' || (newer.mode === 'window' && older.mode === 'window' && contains(newer, older));
}

/** Whether both may touch the same rows. Days have the order of their texts. */
function overlaps(one: JobRow, other: JobRow): boolean {
  const [from, to] = boundsOf(one);
  const [otherFrom, otherTo] = boundsOf(other);
  return from < otherTo && otherFrom < to;
}

function contains(outer: JobRow, inner: JobRow): boolean {
  const [from, to] = boundsOf(outer);
  const [innerFrom, innerTo] = boundsOf(inner);
  return from <= innerFrom && innerTo <= to;
}

/** What speaks for no window may touch any row. */
function boundsOf({ windowFrom, windowTo }: JobRow): [string, string] {
  return [windowFrom ?? '', windowTo ?? '~'];
}

function byEffect(a: JobRow, b: JobRow): number {
  return a.effectAt.getTime() - b.effectAt.getTime() || a.seq - b.seq;
}
