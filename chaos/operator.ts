import { setTimeout as delay } from 'node:timers/promises';
import type { Decision } from '../test/contract/mirror-model.js';
import type { SeededRandom } from './seeded-random.js';
import type { RunContext } from './submitter.js';

const DECISIONS: Record<Decision | 'leave', number> = { approve: 5, reject: 2, cancel: 1, leave: 3 };

/** Statuses in which a job may still be cancelled. */
const CANCELLABLE = ['queued', 'staging'];

/** An operator, who decides about held jobs, cancels running ones, and replays old ones. */
export class Operator {
  constructor(
    private readonly sources: string[],
    private readonly random: SeededRandom,
    private readonly context: RunContext,
  ) {}

  async run(): Promise<void> {
    while (!this.context.over.aborted) {
      await delay(this.random.between(100, 500));
      const source = this.random.pick(this.sources);
      if (this.random.chance(0.1)) await this.replayOne(source);
      else if (this.random.chance(0.15)) await this.cancelOne(source);
      else await this.decideOnHeld(source, () => this.random.weigh(DECISIONS));
    }
  }

  /** Approves every held job, so that the jobs that wait for them can end. */
  async clear(): Promise<void> {
    for (const source of this.sources) await this.decideOnHeld(source, () => 'approve');
  }

  private async decideOnHeld(source: string, choose: () => Decision | 'leave'): Promise<void> {
    for (const { id } of await this.jobs(source, 'status=awaiting_approval&')) {
      const decision = choose();
      if (decision !== 'leave') await this.decide(source, id, decision);
    }
  }

  private async cancelOne(source: string): Promise<void> {
    const running = (await this.jobs(source, '')).filter(({ status }) => CANCELLABLE.includes(status));
    if (running.length > 0) await this.decide(source, this.random.pick(running).id, 'cancel');
  }

  private async decide(source: string, jobId: string, decision: Decision): Promise<void> {
    const { ledger, callers, findings } = this.context;
    ledger.tryToDecide(jobId, decision);
    const answer = await callers.ask(source, `/sync/jobs/${jobId}/${decision}`, { method: 'POST' });
    if (answer && ![200, 409].includes(answer.status)) {
      findings.add('refused', `${decision} of ${jobId}: ${answer.status}`);
    }
  }

  private async replayOne(source: string): Promise<void> {
    const { ledger, callers, findings } = this.context;
    const known = (await this.jobs(source, '')).filter(({ id }) => ledger.accepted.has(id));
    if (known.length === 0) return;
    const { id } = this.random.pick(known);
    const original = ledger.accepted.get(id);
    if (!original) return;
    const sentAt = Date.now();
    const answer = await callers.ask(source, `/sync/jobs/${id}/replay`, { method: 'POST' });
    if (!answer) ledger.loseReplay(id);
    else if (answer.status !== 202) findings.add('refused', `replay of ${id}: ${answer.status}`);
    else ledger.accept({ ...original, jobId: answer.body.id as string, sentAt, answeredAt: Date.now() });
  }

  private async jobs(source: string, filter: string): Promise<{ id: string; status: string }[]> {
    const answer = await this.context.callers.ask(source, `/sync/jobs?${filter}limit=50`);
    return answer?.status === 200 ? answer.body.items : [];
  }
}
