import { parse } from 'csv-parse/sync';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The start of the last quarter of the data, and the horizons at which forecasts are compared with what came. */
const AS_OF = '2021-10-01';
const HORIZONS = [30, 60, 90];

interface Forecast {
  opening: string;
  items: { date: string; expected: string; low: string; high: string }[];
  recurring: { counterparty: string; direction: string; period: string }[];
}

/** How good forecasts of all companies are, from {@link AS_OF}, by what came and by the flows that were planted. */
export async function measureForecasts(url: string, data: string, isFlat: boolean): Promise<void> {
  const rows: Record<string, string>[] = parse(readFileSync(join(data, 'recurring.csv')), { columns: true });
  const keyOf = (row: Record<string, string | undefined>) =>
    [row['companyId'], row['counterparty'], row['direction'], row['period']].join(' ');
  const active = rows.filter(({ first = '', last = '' }) => first < AS_OF && last >= AS_OF);
  const planted = new Set(active.map((row) => keyOf(row)));
  const found: string[] = [];
  const times: number[] = [];
  const held = HORIZONS.map(() => 0);
  const errors = HORIZONS.map(() => [0, 0] as [forecast: number, naive: number]);
  const ids = await companyIds(url);
  for (const id of ids) {
    const start = performance.now();
    // oxlint-disable-next-line no-await-in-loop -- one caller
    const forecast = await get<Forecast>(`${url}/companies/${id}/forecast?days=90&asOf=${AS_OF}`);
    times.push(performance.now() - start);
    found.push(...forecast.recurring.map((row) => keyOf({ companyId: id, ...row })));
    for (const [place, days] of HORIZONS.entries()) {
      const { date = '', low, high, expected } = forecast.items[days - 1] ?? {};
      // oxlint-disable-next-line no-await-in-loop -- one caller
      const { balance } = await get<{ balance: string }>(`${url}/companies/${id}/balance?at=${date}T23:59:59.999999Z`);
      if (Number(balance) >= Number(low) && Number(balance) <= Number(high)) held[place] = (held[place] ?? 0) + 1;
      const sums = errors[place] as [number, number];
      sums[0] += Math.abs(Number(balance) - Number(expected));
      sums[1] += Math.abs(Number(balance) - Number(forecast.opening));
    }
  }
  for (const [place, days] of HORIZONS.entries()) {
    const [error, naive] = errors[place] as [number, number];
    const share = ((held[place] ?? 0) / ids.length) * 100;
    console.log(
      `  ${days} days: ${share.toFixed(1)} % in the interval of 80 %, error ${(error / naive).toFixed(2)} × naive`,
    );
  }
  const right = found.filter((flow) => planted.has(flow)).length;
  if (isFlat)
    console.log(`  found to recur without cause: ${((found.length / ids.length) * 100).toFixed(1)} in 100 companies`);
  else {
    const known = new Set(found);
    const recall = [...planted].filter((flow) => known.has(flow)).length / planted.size;
    console.log(
      `  recurring flows: precision ${(right / found.length).toFixed(3)}, recall ${recall.toFixed(3)} of ${planted.size}`,
    );
  }
  const sorted = times.toSorted((one, other) => one - other);
  console.log(`  a forecast takes p95 ${sorted[Math.floor(sorted.length * 0.95)]?.toFixed(0)} ms`);
}

async function companyIds(url: string): Promise<string[]> {
  const ids: string[] = [];
  let cursor: string | null = '';
  while (cursor !== null) {
    // oxlint-disable-next-line no-await-in-loop -- over pages
    const page: { items: { id: string }[]; nextCursor: string | null } = await get(
      `${url}/companies?limit=1000${cursor === '' ? '' : `&cursor=${cursor}`}`,
    );
    ids.push(...page.items.map(({ id }) => id));
    cursor = page.nextCursor;
  }
  return ids;
}

async function get<T>(address: string): Promise<T> {
  const response = await fetch(address);
  if (response.status !== 200) throw new Error(`${response.status}: ${await response.text()}`);
  return (await response.json()) as T;
}
