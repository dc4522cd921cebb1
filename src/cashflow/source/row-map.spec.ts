import { describe, expect, it } from '@jest/globals';
import { dialectOf, type DialectName, type Pulled } from './dialects.js';
import { boundsOfMonth, instantOf, midnight, readMoment, windowAround } from './moments.js';
import { RowMap } from './row-map.js';

function map(dialect: DialectName, resource: Pulled, row: unknown) {
  const text = typeof row === 'string' ? row : JSON.stringify(row);
  const { line, ...rest } = new RowMap(dialectOf(dialect)[resource], 1_000).map(Buffer.from(text));
  return { record: JSON.parse(line), line, ...rest };
}

const TRANSACTION = {
  transactionId: '1',
  payerIban: 'A',
  beneficiaryIban: 'B',
  amount: 2141.52,
  currency: 'EUR',
  timestamp: '2018-01-03T14:11:08.611390Z',
};

describe('a transaction', () => {
  const own = { id: '1', payer_iban: 'A', beneficiary_iban: 'B', amount: 2141.52, currency: 'EUR' };

  it('has the same fields from every dialect', () => {
    const time = '2018-01-03T14:11:08.611390Z';
    const offset = '2018-01-03T14:11:08.611390+00:00';
    const { amount, currency } = own;
    const rest = { id: 1, uuid: 'u', amount, currency, timestamp: offset };

    for (const { record, at } of [
      map('own', 'sepa', { ...own, timestamp: time }),
      map('own', 'swift', { ...own, timestamp: time }),
      map('glued', 'sepa', { id: '1', sender: 'A', beneficiary: 'B', amount: { Float: amount }, currency, time }),
      map('paged', 'sepa', { ...rest, payer: 'A', receiver: 'B' }),
      map('paged', 'swift', { ...rest, sender: 'A', beneficiary: 'B' }),
    ]) {
      expect(record).toEqual({ ...TRANSACTION, timestamp: '2018-01-03T14:11:08.61139Z' });
      expect(at).toBe('2018-01-03T14:11:08.611390');
    }
  });

  it('asks for the next page with what the source wrote', () => {
    const page = { id: '1', uuid: 'u', timestamp: '2018-01-03 nonsense', amount: 1, payer: 'A', receiver: 'B' };

    expect(map('paged', 'sepa', page).place).toEqual(['2018-01-03 nonsense', 'u']);
    expect(map('paged', 'sepa', { ...page, uuid: null }).place).toBeNull();
    expect(map('paged', 'companies', { id: 17 }).place).toEqual(['17']);
  });

  it('has no currency if the source has none', () => {
    for (const currency of [null, '', undefined]) {
      const { record } = map('own', 'swift', { ...own, currency, timestamp: '2018-01-03' });
      expect(record).toEqual({ ...TRANSACTION, currency: undefined, timestamp: '2018-01-03T00:00:00.000Z' });
    }
  });

  it('keeps amounts digit by digit', () => {
    const text = (amount: string) =>
      `{"id":"1","payer_iban":"A","beneficiary_iban":"B","amount":${amount},"timestamp":"2018-01-03"}`;

    expect(map('own', 'sepa', text('12345678901234567890.1234')).line).toContain('"amount":12345678901234567890.1234,');
    expect(map('own', 'sepa', text('1e400')).line).toContain('"amount":1e400,');
    expect(map('own', 'sepa', text('"7.10"')).line).toContain('"amount":"7.10",');
  });

  it.each([
    ['that is no JSON', '{"id":tru}'],
    ['that is no object', '[1]'],
    ['that is a number', '12345678901234567890'],
    ['without an id', JSON.stringify({ ...own, id: undefined, timestamp: '2018-01-03' })],
    ['with a time that is none', JSON.stringify({ ...own, timestamp: '2018-02-30' })],
    ['with an amount that is a list', JSON.stringify({ ...own, amount: [1], timestamp: '2018-01-03' })],
    ['with a name of every object', '{"constructor":1,"__proto__":{"id":1}}'],
  ])('%s is told with its text', (_, text) => {
    expect(map('own', 'sepa', text).record).toMatchObject({ raw: text });
  });

  it('that is not in UTF-8 is told', () => {
    const bytes = Buffer.from('{"id":"\xff","payer_iban":"A"}', 'latin1');

    expect(JSON.parse(new RowMap(dialectOf('own').sepa, 1_000).map(bytes).line)).toEqual({
      raw: '{"id":"\ufffd","payer_iban":"A"}',
    });
  });
});

describe('a company', () => {
  it('has a list of IBANs, however the source writes them', () => {
    const record = { externalId: '7', name: 'N', ibans: ['GB1', 'NL2'] };

    expect(map('own', 'companies', { id: '7', name: 'N', owner: 'O', ibans: ['GB1', 'NL2'] }).record).toEqual({
      ...record,
      owner: 'O',
    });
    expect(
      map('glued', 'companies', { companyID: 7, name: 'N', ibans: '{GB1,NL2}', address: 'A', balance: 94921 }).record,
    ).toEqual({ ...record, address: 'A', statedBalance: 94921 });
    expect(
      map('paged', 'companies', { id: '7', name: 'N', ibans: "['GB1', 'NL2']", address: 'A', balance: '1.5' }).record,
    ).toEqual({ ...record, address: 'A', statedBalance: '1.5' });
  });

  it.each([
    ['glued', { companyID: 7, name: 'N', ibans: '{GB1' }],
    ['glued', { companyID: 7, name: 'N', ibans: ['GB1'] }],
    ['paged', { id: 7, name: 'N', ibans: "exec('x')" }],
    ['own', { id: 7, name: 'N', ibans: [1] }],
  ] as const)('of the dialect %s whose IBANs cannot be read is told with its text', (dialect, row) => {
    expect(map(dialect, 'companies', row).record).toEqual({ externalId: '7', name: 'N', raw: JSON.stringify(row) });
  });
});

describe('moments', () => {
  it('have the order of time', () => {
    const texts = ['2018-01-03', '2018-01-03T00:00:00.1Z', '2018-01-03T00:00:00.12Z', '2018-01-03T00:00:00.100001Z'];
    const moments = texts.map((text) => readMoment(text) as string);

    expect([...moments].toSorted().map((moment) => instantOf(moment))).toEqual([
      '2018-01-03T00:00:00.000Z',
      '2018-01-03T00:00:00.100Z',
      '2018-01-03T00:00:00.100001Z',
      '2018-01-03T00:00:00.120Z',
    ]);
    expect([null, '', 'now', '2018-13-01', 17].map((text) => readMoment(text))).toEqual([null, null, null, null, null]);
  });

  it('lie in months and in windows of days', () => {
    expect(boundsOfMonth('2018-12')).toEqual({ from: '2018-12-01T00:00:00.000000', to: '2019-01-01T00:00:00.000000' });
    expect(boundsOfMonth('2020-02').to).toBe('2020-03-01T00:00:00.000000');
    const days = { days: 5, origin: '2018-01-01' };
    expect(windowAround('2018-01-05T23:59:59.999999', days)).toEqual({
      from: '2018-01-01T00:00:00.000000',
      to: '2018-01-06T00:00:00.000000',
    });
    expect(windowAround('2017-12-31T12:00:00.000000', days).from).toBe('2017-12-27T00:00:00.000000');
    expect(midnight('2018-02-28T12:00:00.000000', 1)).toBe('2018-03-01T00:00:00.000000');
  });
});
