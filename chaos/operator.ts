import { setTimeout as delay } from 'node:timers/promises';
import type { Decision } from '../test/contract/mirror-model.js';
import type { Dice } from './dice.js';
import type { Surroundings } from './submitter.js';

const DECISIONS: Record<Decision | 'leave', number> = { approve: 5, reject: 2, cancel: 1, leave: 3 };

/** Statuses in which a job may still be cancelled. */
const CANCELLABLE = ['queued', 'staging'];

/** Somebody who decides about held jobs, cancels some that run, and has old ones replayed. */
export class Operator {
  constructor(
    private readonly sources: string[],
    private readonly dice: Dice,
    private readonly around: Surroundings,
  ) {}

  async run(): Promise<void> {
    while (!this.around.over.aborted) {
      await delay(this.dice.between(100, 500));
      const source = this.dice.pick(this.sources);
      if (this.dice.isLucky(0.1)) await this.replayOne(source);
      else if (this.dice.isLucky(0.15)) await this.cancelOne(source);
      else await this.decideOnHeld(source, () => this.dice.weigh(DECISIONS));
    }
  }

  /** Decides on everything that is held, so that all that waits behind comes to its end. */
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
    if (running.length > 0) await this.decide(source, this.dice.pick(running).id, 'cancel');
  }

  private async decide(source: string, jobId: string, decision: Decision): Promise<void> {
    const { ledger, callers, findings } = this.around;
    ledger.tryToDecide(jobId, decision);
    const answer = await callers.ask(source, `/sync/jobs/${jobId}/${decision}`, { method: 'POST' });
    if (answer && ![200, 409].includes(answer.status)) {
      findings.add('refused', `${decision} of ${jobId}: ${answer.status}`);
    }
  }

  private async replayOne(source: string): Promise<void> {
    const { ledger, callers, findings } = this.around;
    const known = (await this.jobs(source, '')).filter(({ id }) => ledger.accepted.has(id));
    if (known.length === 0) return;
    const { id } = this.dice.pick(known);
    const original = ledger.accepted.get(id);
    if (!original) return;
    const sentAt = Date.now();
    const answer = await callers.ask(source, `/sync/jobs/${id}/replay`, { method: 'POST' });
    if (!answer) ledger.loseReplay(id);
    else if (answer.status !== 202) findings.add('refused', `replay of ${id}: ${answer.status}`);
    else ledger.accept({ ...original, jobId: answer.body.id as string, sentAt, answeredAt: Date.now() });
  }

  private async jobs(source: string, filter: string): Promise<{ id: string; status: string }[]> {
    const answer = await this.around.callers.ask(source, `/sync/jobs?${filter}limit=50`);
    return answer?.status === 200 ? answer.body.items : [];
  }
}
