import { setTimeout as delay } from 'node:timers/promises';
import { money } from '../test/contract/mirror-model.js';
import type { Callers } from './callers.js';
import type { Findings } from './findings.js';
import { markedIds, markedParent, STEADY } from './records.js';

const PAUSE_MS = 50;

/**
 * Reads the marked source all the time. One page shows the whole source, so it must show exactly the rows of one
 * snapshot, all with its number; the patients' totals must be those of one snapshot of payments; and no page may show an
 * older snapshot than an earlier page did.
 */
export class TornReadReader {
  reads = 0;
  private readonly newest = { patients: 0, totals: 0, payments: 0 };

  constructor(
    private readonly source: string,
    private readonly callers: Callers,
    private readonly findings: Findings,
  ) {}

  async run(over: AbortSignal): Promise<void> {
    while (!over.aborted) {
      await delay(PAUSE_MS);
      await this.readPatients();
      await this.readPayments();
    }
  }

  private async readPatients(): Promise<void> {
    const patients = await this.page('patients');
    if (!patients || patients.length === 0) return;
    const marker = Number(String(patients[0].lastName).slice(1));
    const isWhole = patients.every(({ lastName }) => lastName === `s${marker}`);
    this.judge('patients', marker, isWhole && isSame(patients, markedIds(marker)));
    // Each total is the number of one snapshot of payments, times the patient's payments in it.
    const steady = patients.slice(0, STEADY).filter(({ paymentsCount }) => paymentsCount > 0);
    if (steady.length === 0) return;
    const number = Math.round(Number(steady[0].paymentsTotal) / steady[0].paymentsCount);
    const counts = Map.groupBy(markedIds(number), markedParent);
    const areRight = patients.every(({ externalId, paymentsTotal, paymentsCount }) => {
      const count = counts.get(externalId)?.length ?? 0;
      return paymentsCount === count && paymentsTotal === money(BigInt(count * number) * 10_000n);
    });
    this.judge('totals', number, areRight);
  }

  private async readPayments(): Promise<void> {
    const payments = await this.page('payments');
    // None is shown before the first patients have arrived.
    if (!payments || payments.length === 0) return;
    const number = Math.round(Number(payments[0].amount));
    const isWhole = payments.every(({ amount }) => amount === money(BigInt(number) * 10_000n));
    this.judge('payments', number, isWhole && isSame(payments, markedIds(number)));
  }

  private async page(resource: string): Promise<any[] | null> {
    const askedAt = { ...this.newest };
    const answer = await this.callers.ask(this.source, `/${resource}?limit=1000`);
    if (answer?.status !== 200) return null;
    this.reads += 1;
    // Rows that were seen do not vanish either: no marked snapshot is empty.
    if (answer.body.items.length === 0 && askedAt.patients > 0 && resource === 'patients') {
      this.findings.add('torn read', 'no patients at all');
    }
    return answer.body.items;
  }

  private judge(what: 'patients' | 'totals' | 'payments', number: number, isWhole: boolean): void {
    if (!isWhole) this.findings.add('torn read', `${what} of more than one snapshot, the first row of ${number}`);
    else if (number < this.newest[what]) {
      this.findings.add('older read', `${what} of ${number} after ${this.newest[what]}`);
    } else this.newest[what] = number;
  }
}

function isSame(rows: { externalId: string }[], ids: string[]): boolean {
  return rows.length === ids.length && rows.every(({ externalId }, place) => externalId === ids[place]);
}
