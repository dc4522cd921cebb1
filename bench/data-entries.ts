import { scattered, writeArray } from './data.js';

/** The rows of a day, which is the window that is measured. */
export const ROWS_A_DAY = 5_000;

/** A snapshot of some days. */
export interface EntriesPlan {
  /** From 0 on. */
  from: number;
  days: number;
  /** Half of the rows have another amount than in a snapshot without it, or with another number. */
  change?: number;
  /** Rows of the whole resource. */
  total: number;
  /** Whether ids have nothing to do with days, so that the rows of a day lie all over the table and its key. */
  isScattered: boolean;
}

/** Writes a JSON array of entries, day by day. @returns the window that it is complete for */
export async function writeEntries(path: string, plan: EntriesPlan): Promise<{ from: string; to: string }> {
  await writeArray(path, function* () {
    for (let place = plan.from * ROWS_A_DAY; place < (plan.from + plan.days) * ROWS_A_DAY; place += 1) {
      const id = plan.isScattered ? scattered(place, plan.total) : place;
      const cents = (place * 7_919) % 100_000;
      const amount = plan.change !== undefined && place % 2 === 1 ? 1_000_000 + plan.change : cents;
      yield JSON.stringify({
        externalId: `entry-${String(id).padStart(9, '0')}`,
        account: `DE${String(place % 1_000).padStart(20, '0')}`,
        booked: dayAt(Math.floor(place / ROWS_A_DAY)),
        amount: (amount / 100).toFixed(2),
        text: `Invoice ${place}`,
      });
    }
  });
  return { from: dayAt(plan.from), to: dayAt(plan.from + plan.days) };
}

function dayAt(place: number): string {
  return new Date(Date.UTC(2020, 0, 1 + place)).toISOString().slice(0, 10);
}
