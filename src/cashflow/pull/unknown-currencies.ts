/** Currencies without a rate that are told one by one. */
const MAX_TOLD = 50;

/** How codes of currencies look. What a source sends otherwise is told together. */
const CODE = /^[A-Z]{3}$/;

const OTHERS = 'others';

/** The codes among the currencies of an answer. */
export function codesOf(currencies: ReadonlyMap<string, number>): string[] {
  return [...currencies.keys()].filter((currency) => CODE.test(currency));
}

/** Adds the rows of an answer whose currency has no rate, by currency. */
export function withUnknown(
  sums: Readonly<Record<string, number>>,
  known: readonly string[],
  currencies: ReadonlyMap<string, number>,
): Record<string, number> {
  const unknown: Record<string, number> = { ...sums };
  for (const [currency, count] of currencies) {
    const name = CODE.test(currency) ? currency : OTHERS;
    const isTold = name in unknown || Object.keys(unknown).length < MAX_TOLD;
    const shown = isTold ? name : OTHERS;
    if (!known.includes(currency)) unknown[shown] = (unknown[shown] ?? 0) + count;
  }
  return unknown;
}
