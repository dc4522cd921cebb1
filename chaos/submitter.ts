import { setTimeout as delay } from 'node:timers/promises';
import type { SnapshotOptions } from '../test/contract/mirror-model.js';
import type { Callers } from './callers.js';
import type { Dice } from './dice.js';
import type { Findings } from './findings.js';
import type { Ledger, Line } from './ledger.js';
import { bodyOf } from './records.js';
import { markedPlan, randomOptions, randomPlan, type SnapshotPlan } from './snapshot-plan.js';

/** A sender waits while so many jobs of its line are unfinished, as held ones keep back all that follow. */
const MOST_UNFINISHED = 12;

/** Between two snapshots of a sender, at least and at most: what two cores can take. */
const PAUSE_MS = [300, 3_500] as const;

/** After the faults are over, everything is answered within this. */
const ANSWER_LIMIT_MS = 60_000;

/** What a sender looks at and writes into. */
export interface Surroundings {
  callers: Callers;
  ledger: Ledger;
  findings: Findings;
  /** Unfinished jobs of a line, as last seen. */
  unfinished: (line: Line) => number;
  /** Aborted when no more is to be sent. */
  over: AbortSignal;
}

/** An external system that sends one snapshot after the other, and each until it is answered. */
export class Submitter {
  private sent = 0;
  private last: { plan: SnapshotPlan; options: SnapshotOptions } | null = null;

  constructor(
    private readonly name: string,
    private readonly line: Line,
    private readonly kind: SnapshotPlan['kind'],
    private readonly dice: Dice,
    private readonly around: Surroundings,
  ) {}

  async run(): Promise<void> {
    const { over, unfinished } = this.around;
    while (!over.aborted) {
      await delay(this.dice.between(...PAUSE_MS));
      if (unfinished(this.line) >= MOST_UNFINISHED) continue;
      if (this.kind === 'random' && this.dice.isLucky(0.05)) await this.abort();
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
    const { ledger, findings } = this.around;
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

  /** The same bytes as last time now and then: those must change nothing. */
  private next(): { plan: SnapshotPlan; options: SnapshotOptions } {
    const { resource } = this.line;
    if (this.kind === 'marked') {
      return {
        plan: markedPlan(resource, this.sent + 1),
        options: { mode: 'full', deletes: 'apply', dryRun: false },
      };
    }
    if (this.last && this.dice.isLucky(0.1)) return this.last;
    return { plan: randomPlan(resource, this.dice), options: randomOptions(this.dice) };
  }

  private preference(): Record<string, string> {
    return this.dice.isLucky(0.1) ? { Prefer: 'wait=5' } : {};
  }

  private async untilAnswered(path: string, request: RequestInit) {
    let deadline = Number.POSITIVE_INFINITY;
    for (let attempt = 1; Date.now() < deadline; attempt += 1) {
      if (attempt > 1) this.around.ledger.repeated += 1;
      const answer = await this.around.callers.ask(this.line.source, path, request);
      if (answer) return answer;
      if (this.around.over.aborted) deadline = Math.min(deadline, Date.now() + ANSWER_LIMIT_MS);
      await delay(this.dice.between(50, 500));
    }
    return null;
  }

  /** Large enough for some of it to be stored before it breaks off. */
  private async abort(): Promise<void> {
    const plan = { ...randomPlan(this.line.resource, this.dice), ids: 40_000, skipOneIn: 1_000, isGzip: false };
    const { body, headers } = bodyOf(plan);
    this.around.ledger.aborted += 1;
    await this.around.callers.abort(this.line.source, pathOf(this.line, randomOptions(this.dice)), body, headers);
  }
}

function pathOf({ resource }: Line, { mode, deletes, dryRun }: SnapshotOptions): string {
  return `/${resource}?mode=${mode}&deletes=${deletes}&dryRun=${dryRun}`;
}
