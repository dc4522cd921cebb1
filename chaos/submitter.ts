import { setTimeout as delay } from 'node:timers/promises';
import type { SnapshotOptions } from '../test/contract/mirror-model.js';
import type { Callers } from './callers.js';
import type { SeededRandom } from './seeded-random.js';
import type { Findings } from './findings.js';
import type { Ledger, Line } from './ledger.js';
import { bodyOf } from './records.js';
import { markedPlan, randomOptions, randomPlan, type SnapshotPlan } from './snapshot-plan.js';

/** A sender waits while this many jobs of its line are unfinished, as a held job keeps back all later ones. */
const MOST_UNFINISHED = 12;

/** Between two snapshots of a sender, at least and at most: as much as two cores can process. */
const PAUSE_MS = [300, 3_500] as const;

/** After the faults are over, every request must be answered within this time. */
const ANSWER_LIMIT_MS = 60_000;

/** What the actors of a run share. */
export interface RunContext {
  callers: Callers;
  ledger: Ledger;
  findings: Findings;
  /** Unfinished jobs of a line, at the last poll. */
  unfinished: (line: Line) => number;
  /** Aborted when no more is to be sent. */
  over: AbortSignal;
}

/** An external system that sends one snapshot after the other, and repeats each until it is answered. */
export class Submitter {
  private sent = 0;
  private last: { plan: SnapshotPlan; options: SnapshotOptions } | null = null;

  constructor(
    private readonly name: string,
    private readonly line: Line,
    private readonly kind: SnapshotPlan['kind'],
    private readonly random: SeededRandom,
    private readonly context: RunContext,
  ) {}

  async run(): Promise<void> {
    const { over, unfinished } = this.context;
    while (!over.aborted) {
      await delay(this.random.between(...PAUSE_MS));
      if (unfinished(this.line) >= MOST_UNFINISHED) continue;
      if (this.kind === 'random' && this.random.chance(0.05)) await this.abort();
      else await this.send();
    }
  }

  private async send(): Promise<void> {
    const { plan, options } = this.next();
    this.last = { plan, options };
    this.sent += 1;
    const { body, headers } = bodyOf(plan);
    const request = {
      method: 'POST',
      body,
      headers: { ...headers, 'Idempotency-Key': `${this.name}-${this.sent}`, ...this.preference() },
    };
    const sentAt = Date.now();
    const answer = await this.untilAnswered(pathOf(this.line, options), request);
    const { ledger, findings } = this.context;
    const where = `${this.line.source} ${this.line.resource}, key ${this.name}-${this.sent}`;
    if (!answer) findings.add('no answer', where);
    else if (answer.status !== 202 && answer.status !== 200)
      findings.add('refused', `${where}: ${answer.status}, ${answer.body.detail}`);
    else {
      const promise = { jobId: answer.body.id as string, line: this.line, plan, options };
      if (ledger.accepted.has(promise.jobId)) findings.add('one job for two keys', `${where}: ${promise.jobId}`);
      ledger.accept({ ...promise, sentAt, answeredAt: Date.now() });
    }
  }

  /** Sometimes the same bytes as last time, which must change nothing. */
  private next(): { plan: SnapshotPlan; options: SnapshotOptions } {
    const { resource } = this.line;
    if (this.kind === 'marked') {
      return {
        plan: markedPlan(resource, this.sent + 1),
        options: { mode: 'full', deletes: 'apply', dryRun: false },
      };
    }
    if (this.last && this.random.chance(0.1)) return this.last;
    const options = randomOptions(resource, this.random);
    return { plan: randomPlan(resource, this.random, options.window), options };
  }

  private preference(): Record<string, string> {
    return this.random.chance(0.1) ? { Prefer: 'wait=5' } : {};
  }

  private async untilAnswered(path: string, request: RequestInit) {
    let deadline = Number.POSITIVE_INFINITY;
    for (let attempt = 1; Date.now() < deadline; attempt += 1) {
      if (attempt > 1) this.context.ledger.repeated += 1;
      const answer = await this.context.callers.ask(this.line.source, path, request);
      if (answer) return answer;
      if (this.context.over.aborted) deadline = Math.min(deadline, Date.now() + ANSWER_LIMIT_MS);
      await delay(this.random.between(50, 500));
    }
    return null;
  }

  /** Large enough for some of it to be stored before the connection breaks. */
  private async abort(): Promise<void> {
    const plan = { ...randomPlan(this.line.resource, this.random), ids: 40_000, skipOneIn: 1_000, isGzip: false };
    const { body, headers } = bodyOf(plan);
    this.context.ledger.aborted += 1;
    const path = pathOf(this.line, randomOptions(this.line.resource, this.random));
    await this.context.callers.abort(this.line.source, path, body, headers);
  }
}

function pathOf({ resource }: Line, { mode, window, deletes, dryRun }: SnapshotOptions): string {
  const range = window ? `&from=${window.from}&to=${window.to}` : '';
  return `/${resource}?mode=${mode}${range}&deletes=${deletes}&dryRun=${dryRun}`;
}
