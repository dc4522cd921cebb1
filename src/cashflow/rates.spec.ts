import { describe, expect, it } from '@jest/globals';
import { ratesFor, readRates, type SentRate } from './rates.js';

const sent = (rows: [currency: string, eurRate: string | null, usdRate: string | null][]): SentRate[] =>
  rows.map(([currency, eurRate, usdRate]) => ({ currency, eurRate, usdRate }));

/** What a unit is worth in each currency. */
const WORTH = sent([
  ['EUR', '1', '1.12'],
  ['USD', '0.9', '1'],
  ['GBP', '1.17', '1.31'],
  ['JPY', '0.0077', '0.0086'],
]);

/** `eurRate`: units per euro; `usdRate`: dollars per unit. */
const PER_EURO = sent([
  ['EUR', '1', '1.12'],
  ['USD', '1.12', '1'],
  ['GBP', '0.85', '1.31'],
  ['JPY', '130', '0.0086'],
]);

const swapped = (rates: SentRate[]): SentRate[] =>
  rates.map(({ currency, eurRate, usdRate }) => ({ currency, eurRate: usdRate, usdRate: eurRate }));

describe('rates', () => {
  it('that say what a unit is worth are taken as they are', () => {
    const rates = readRates(WORTH, 'auto');

    expect(rates).toMatchObject({ meaning: 'worth', isSuspect: false });
    expect(ratesFor(rates, 'EUR')).toEqual({ EUR: '1', USD: '0.9', GBP: '1.17', JPY: '0.0077' });
    expect(ratesFor(rates, 'USD')).toEqual({ EUR: '1.12', USD: '1', GBP: '1.31', JPY: '0.0086' });
  });

  it.each([
    ['', PER_EURO],
    [' with the two names swapped', swapped(PER_EURO)],
  ])('that say how many units a euro costs are turned round%s', (_, rows) => {
    const rates = readRates(rows, 'auto');

    expect(rates).toMatchObject({ meaning: 'perEuro', isSuspect: false });
    expect(ratesFor(rates, 'EUR')).toMatchObject({
      EUR: '1',
      GBP: '1.176470588235294117647058823529',
      JPY: '0.007692307692307692307692307692',
    });
    expect(ratesFor(rates, 'USD')).toMatchObject({ USD: '1', GBP: '1.31', JPY: '0.0086' });
  });

  it('that fit neither meaning are suspect, and taken as named', () => {
    const rates = readRates([...WORTH.slice(0, 3), { currency: 'JPY', eurRate: '130', usdRate: '0.0086' }], 'auto');

    expect(rates).toMatchObject({ meaning: 'worth', isSuspect: true });
    expect(ratesFor(rates, 'EUR')['JPY']).toBe('130');
  });

  it('mean what somebody says that they mean', () => {
    expect(readRates(PER_EURO, 'worth')).toMatchObject({ meaning: 'worth', isSuspect: false });
    expect(readRates(swapped(PER_EURO), 'perEuro')).toMatchObject({ meaning: 'perEuro', isSuspect: false });
    expect(readRates(sent([['GBP', '1.17', '1.31']]), 'perEuro')).toMatchObject({ isSuspect: true });
  });

  it('that are missing, zero or negative are none', () => {
    const rates = readRates(
      sent([
        ['EUR', '1', '1.12'],
        ['USD', '0.9', '1'],
        ['XAU', null, '1900'],
        ['ISK', '0', '-1'],
      ]),
      'auto',
    );

    expect(ratesFor(rates, 'EUR')).toEqual({ EUR: '1', USD: '0.9' });
    expect(ratesFor(rates, 'USD')).toEqual({ EUR: '1.12', USD: '1', XAU: '1900' });
  });

  it('of which there are none are none, and not suspect', () => {
    expect(readRates([], 'auto')).toMatchObject({ isSuspect: false, worth: new Map() });
  });
});
