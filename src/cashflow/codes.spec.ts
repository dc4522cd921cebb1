import { expect, it } from '@jest/globals';
import { COUNTRIES } from './iso-3166.js';
import { CURRENCIES } from './iso-4217.js';
import { countedVerdicts, kindsOf } from './verdicts.js';

it('there are 249 countries, and XK, EU and UK are none', () => {
  expect(new Set(COUNTRIES).size).toBe(249);
  const names = new Intl.DisplayNames('en', { type: 'region', fallback: 'none' });
  expect(COUNTRIES.filter((code) => names.of(code) === undefined)).toEqual([]);
  for (const code of ['XK', 'EU', 'UK', 'EL', 'ZZ']) expect(COUNTRIES).not.toContain(code);
});

it('the currencies are all that the runtime knows to be in use since 2018, and SGP is none', () => {
  expect(new Set(CURRENCIES).size).toBe(CURRENCIES.length);
  for (const code of ['EUR', 'USD', 'SGD', 'HRK', 'XAU', 'ZWL']) expect(CURRENCIES).toContain(code);
  for (const code of ['SGP', 'DEM', '', 'eur']) expect(CURRENCIES).not.toContain(code);
});

it.each([
  [{ includeBatch: false, ibanRule: 'either' } as const, [0]],
  [{ includeBatch: true, ibanRule: 'either' } as const, [0, 1]],
  [{ includeBatch: false, ibanRule: 'both' } as const, [0, 2, 4]],
  [{ includeBatch: true, ibanRule: 'both' } as const, [0, 1, 2, 3, 4, 5]],
])('with %j the verdicts %j count', (rules, verdicts) => {
  expect(countedVerdicts(rules)).toEqual(verdicts);
});

it('a verdict tells its kinds', () => {
  expect(kindsOf(0)).toEqual([]);
  expect(kindsOf(1 + 2 + 8 + 16)).toEqual(['batch', 'duplicate', 'invalid_iban', 'no_currency']);
  expect(kindsOf(4)).toEqual(['invalid_iban']);
});
