import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Exposer } from '../src/cashflow/exposer/exposer.js';
import { randomFaults } from '../src/cashflow/exposer/faults.js';
import { verifyCashflow } from '../src/cashflow/verify-cashflow.js';
import { computeTruth, makeInto } from '../test/cashflow/made-data.js';
import type { Callers } from './callers.js';
import type { Findings } from './findings.js';

/** A source of its own: its jobs are those of pulls, which nobody else has asked for. */
export const BANK = 'bank';

/** A pull makes a job for each of 96 months, however few transactions they have. */
const AMOUNTS = { companies: 20, sepa: 500, swift: 2_000 };

/** One answer in twenty goes wrong, but none hangs: that would only make the run longer. */
const FAULT_RATE = 0.05;
const FAULTS = ['drop-before', 'drop-after', 'error', 'repeat', 'restart'] as const;

const AT_REST: readonly string[] = ['completed', 'failed', 'cancelled'];

/** A bank whose transactions are pulled again and again, and what its companies must have in the end. */
export class Bank {
  /** Pulls that were completed. */
  pulls = 0;

  private constructor(
    private readonly folder: string,
    private readonly exposer: Exposer,
    private readonly callers: Callers,
    private readonly findings: Findings,
  ) {}

  static async open(parent: string, seed: number, callers: Callers, findings: Findings): Promise<Bank> {
    const folder = join(parent, 'bank');
    await makeInto(folder, seed, { amounts: AMOUNTS });
    const nextFault = randomFaults(FAULT_RATE, seed, FAULTS);
    const options = { folder, dialect: 'own', host: '127.0.0.1', port: 0, nextFault } as const;
    const exposer = await Exposer.start({ ...options, onFailure: () => undefined });
    return new Bank(folder, exposer, callers, findings);
  }

  /** Pulls until the run is over, and then until the last pull has ended. */
  async run(over: AbortSignal): Promise<void> {
    const body = JSON.stringify({ baseUrl: this.exposer.url });
    const headers = { 'Content-Type': 'application/json' };
    do {
      const answer = await this.callers.ask(BANK, '/cashflow/pulls', { method: 'POST', body, headers });
      // A 409 names the pull of a request whose answer was lost.
      if (answer && ![202, 409].includes(answer.status)) {
        this.findings.add('refused', `a pull: ${answer.status}`);
        return;
      }
      await this.finish();
    } while (!over.aborted);
  }

  close(): Promise<void> {
    return this.exposer.close();
  }

  /** Waits until no pull is under way; the newest must have all that the bank has. */
  private async finish(): Promise<void> {
    for (;;) {
      await delay(500);
      const answer = await this.callers.ask(BANK, '/cashflow/pulls?limit=1');
      const [newest] = answer?.status === 200 ? answer.body.items : [null];
      if (newest === undefined) return;
      if (newest === null || !AT_REST.includes(newest.status)) continue;
      this.pulls += 1;
      if (newest.status !== 'completed') this.findings.add('pull', `${newest.status}: ${newest.error?.code}`);
      if (newest.gaps.length > 0) this.findings.add('pull', `${newest.gaps.length} gaps`);
      return;
    }
  }

  /** Compares what each company had at the end of each quarter with the truth. @returns the figures compared */
  async check(databaseUrl: string): Promise<number> {
    const truth = Map.groupBy(
      computeTruth(this.folder).map((line) => line.split(',') as [string, string, string, string]),
      ([company]) => company,
    );
    let compared = 0;
    for (const [company, lines] of truth) {
      const path = `/companies/${company}/balances?interval=quarter&from=2018-01-01&to=2022-01-01`;
      const answer = await this.callers.ask(BANK, path);
      const found = answer?.status === 200 ? answer.body.items.map((item: any) => item.closing) : [];
      const wanted = lines.map(([, , eur]) => eur);
      if (found.join() !== wanted.join())
        this.findings.add('bank', `balances of company ${company}: ${answer?.status}`);
      compared += wanted.length;
    }
    const { faults } = await verifyCashflow(databaseUrl, null);
    for (const { source, what } of faults) this.findings.add('cashflow verify', `${source}: ${what}`);
    return compared;
  }
}
