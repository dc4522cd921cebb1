/** Pages that are read, one after the other. */
const PAGES = 400;

/** Totals of the benchmark's patients, in whole units. */
const HIGHEST_TOTAL = 10_000;

/** Milliseconds. */
export interface PageTimes {
  p50: number;
  p95: number;
  p99: number;
}

/** Reads pages of patients by random ranges of their totals, over HTTP, highest first. */
export async function readPages(url: string): Promise<PageTimes> {
  const random = numbers();
  const times: number[] = [];
  while (times.length < PAGES) {
    const [min, max] = [random() % HIGHEST_TOTAL, random() % HIGHEST_TOTAL].toSorted((a, b) => a - b);
    const start = performance.now();
    const response = await fetch(`${url}/patients?payment_min=${min}&payment_max=${max}&sort=-paymentsTotal`);
    const text = await response.text();
    times.push(performance.now() - start);
    if (response.status !== 200) throw new Error(`a page was answered ${response.status}: ${text}`);
  }
  times.sort((a, b) => a - b);
  const at = (share: number) => times[Math.floor(times.length * share)] ?? Number.NaN;
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99) };
}

/** The same ranges in each round: a linear congruential generator (Numerical Recipes), its high bits. */
function numbers(): () => number {
  let state = 1;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state >>> 8;
  };
}
