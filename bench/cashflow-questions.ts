/** Requests of each kind that are measured. */
const REQUESTS = 200;

/** Asks what users ask, of companies one after the other, and prints how long it takes. */
export async function measureQuestions(url: string): Promise<void> {
  const first = (await (await fetch(`${url}/companies?limit=1000`)).json()) as { items: { id: string }[] };
  const ids = first.items.map(({ id }) => id);
  const idAt = (place: number) => ids[(place * 37) % ids.length] ?? '';
  await measureMany('balance at an instant', (place) => `${url}/companies/${idAt(place)}/balance?at=2020-06-15`);
  await measureMany('balance now', (place) => `${url}/companies/${idAt(place)}/balance`);
  const years = 'from=2018-01-01&to=2022-01-01';
  await measureMany(
    'day series of four years',
    (place) => `${url}/companies/${idAt(place)}/balances?interval=day&${years}`,
  );
  await measureMany('companies by position', () => `${url}/companies?sort=-balance`);
  await measureMany(
    'forecast of 90 days',
    (place) => `${url}/companies/${idAt(place)}/forecast?days=90&asOf=2021-10-01`,
  );
  await measureMany('all companies by month', () => `${url}/cashflow/balances?interval=month&${years}`, 3);
}

async function measureMany(what: string, pathOf: (place: number) => string, requests = REQUESTS): Promise<void> {
  const times: number[] = [];
  for (let place = 0; place < requests; place += 1) {
    const start = performance.now();
    // oxlint-disable-next-line no-await-in-loop -- one caller
    const response = await fetch(pathOf(place));
    // oxlint-disable-next-line no-await-in-loop -- one caller
    await response.arrayBuffer();
    if (response.status !== 200) throw new Error(`${what}: ${response.status}`);
    times.push(performance.now() - start);
  }
  const sorted = times.toSorted((one, other) => one - other);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]?.toFixed(1);
  console.log(`  ${what}: p50 ${at(0.5)} ms, p95 ${at(0.95)} ms`);
}
