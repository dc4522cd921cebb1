import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startTestServer, type TestServer } from '../setup/test-server.js';
import { aPatient, aPayment, Sender } from './sender.js';

const DAY_MS = 24 * 3600 * 1000;
const today = new Date().toISOString().slice(0, 10);
const tomorrow = new Date(Date.now() + DAY_MS).toISOString().slice(0, 10);

let server: TestServer;
let accepting: TestServer;

beforeAll(async () => {
  server = await startTestServer();
  accepting = await startTestServer({ FUTURE_BIRTH_DATES: 'accept' });
});

afterAll(async () => {
  await server.close();
  await accepting.close();
});

/** Mirrors records that are given as JSON text, since JSON.stringify would change most values that matter here. */
async function mirrorText(path: string, records: string[], on = server) {
  const from = new Sender(on);
  if (path === '/payments') await from.mirror('/patients', [aPatient()]);
  const job = await from.mirror(path, `[${records.join(',\n')}]`);
  const errors = (await from.get(`${job.links.errors}?limit=1000`)).items;
  const { items } = await from.get(`${path}?limit=1000`);
  return { from, job, errors, items };
}

/** A patient as JSON text, with its fields exactly as given. */
function patientText(fields: Record<string, string>): string {
  const all = { externalId: '"1"', firstName: '"Rick"', lastName: '"Deckard"', ...fields };
  return `{${Object.entries(all)
    .map(([name, value]) => `"${name}":${value}`)
    .join(',')}}`;
}

/** One snapshot with all the values: patients with distinct ids, one for each value of the field `name`. */
function patientsWith(name: string, values: string[], on = server) {
  const records = values.map((value, index) => patientText({ externalId: `"p${index}"`, [name]: value }));
  return mirrorText('/patients', records, on);
}

describe('an external id', () => {
  it.each([
    ['a string', '"5"', '5'],
    ['an integer', '5', '5'],
    ['zero', '0', '0'],
    ['a negative integer', '-7', '-7'],
    ['the greatest safe integer', '9007199254740991', '9007199254740991'],
    ['2^53', '9007199254740992', '9007199254740992'],
    ['2^53 + 1', '9007199254740993', '9007199254740993'],
    ['an integer of 17 round digits', '10000000000000000', '10000000000000000'],
    ['an integer of 25 round digits', '1000000000000000000000000', '1000000000000000000000000'],
    ['an integer of 40 digits', '1234567890123456789012345678901234567890', '1234567890123456789012345678901234567890'],
    ['text with blanks around it', '" 5 "', ' 5 '],
    ['text with leading zeros', '"005"', '005'],
    ['text with a line break and a tab', String.raw`"a\n\tb\\c"`, 'a\n\tb\\c'],
    ['text that COPY takes for null', String.raw`"\\N"`, '\\N'],
    ['text that COPY takes for its end', String.raw`"\\."`, '\\.'],
    ['250 characters', `"${'x'.repeat(250)}"`, 'x'.repeat(250)],
    ['250 astral characters', `"${'🦄'.repeat(250)}"`, '🦄'.repeat(250)],
  ])('may be %s', async (_what, literal, stored) => {
    const { job, items } = await mirrorText('/patients', [patientText({ externalId: literal })]);

    expect(job).toMatchObject({ status: 'completed', counts: { received: 1, created: 1, rejected: 0 } });
    expect(items).toMatchObject([{ externalId: stored }]);
  });

  it.each([
    ['empty', '""'],
    ['251 characters', `"${'x'.repeat(251)}"`],
    ['251 astral characters', `"${'🦄'.repeat(251)}"`],
    ['an integer of 251 digits', '1'.repeat(251)],
    ['a fraction', '5.5'],
    ['a boolean', 'true'],
    ['null', 'null'],
    ['a list', '["5"]'],
    ['an object', '{"id":"5"}'],
    ['a NUL', String.raw`"a\u0000b"`],
    ['half a surrogate pair', String.raw`"a\ud83e"`],
    ['a surrogate pair in the wrong order', String.raw`"\udd84\ud83e"`],
  ])('may not be %s', async (_what, literal) => {
    const { job, errors, items } = await mirrorText('/patients', [patientText({ externalId: literal })]);

    expect(job).toMatchObject({ status: 'completed', counts: { received: 1, created: 0, rejected: 1 } });
    expect(errors).toEqual([
      {
        index: 0,
        externalId: null,
        status: 'fail',
        code: 'invalid_record',
        data: expect.any(Object),
        errors: { externalId: [expect.any(String)] },
      },
    ]);
    expect(items).toEqual([]);
  });

  it('is the same whether it is sent as a number or as a string', async () => {
    const { from } = await mirrorText('/patients', [patientText({ externalId: '5' })]);

    expect(await from.mirror('/patients', [aPatient({ externalId: '5' })])).toMatchObject({ counts: { unchanged: 1 } });
  });

  it('is distinguished by case and by blanks', async () => {
    const ids = ['a', 'A', ' a', 'a ', 'á', 'a\u0301'];

    const { job } = await mirrorText(
      '/patients',
      ids.map((id) => patientText({ externalId: JSON.stringify(id) })),
    );

    expect(job.counts).toMatchObject({ received: ids.length, created: ids.length });
  });
});

describe('a patient id of a payment', () => {
  it.each([['5'], ['"5"']])('%s finds patient 5', async (literal) => {
    const from = new Sender(server);
    await from.mirror('/patients', [aPatient({ externalId: '5' })]);

    const job = await from.mirror('/payments', `[{"externalId":"1","patientId":${literal},"amount":1}]`);

    expect(job.counts).toMatchObject({ created: 1, unresolved: 0 });
    expect((await from.get('/payments?external_id=5')).items).toMatchObject([{ patientId: '5' }]);
  });

  it.each(['""', '5.5', 'null', 'true', '[]', `"${'x'.repeat(251)}"`])('%s is rejected', async (literal) => {
    const { errors } = await mirrorText('/payments', [`{"externalId":"1","patientId":${literal},"amount":1}`]);

    expect(errors).toMatchObject([
      { externalId: '1', code: 'invalid_record', errors: { patientId: [expect.any(String)] } },
    ]);
  });
});

describe('a name', () => {
  it('may have 1 to 250 characters of any kind', async () => {
    const names = [
      'x',
      ' ',
      'x'.repeat(250),
      '🦄'.repeat(250),
      '東京',
      "O'Neil; drop table patient",
      'a\tb\nc\\d',
      '\\N',
      '=1+1',
    ];

    const { job, items } = await patientsWith(
      'firstName',
      names.map((name) => JSON.stringify(name)),
    );

    expect(job.counts).toMatchObject({ received: names.length, created: names.length });
    expect(items.map((item: { firstName: string }) => item.firstName)).toEqual(names);
  });

  it.each(['firstName', 'lastName'])('%s is required, a string, not empty and not too long', async (field) => {
    const values = [
      '""',
      `"${'x'.repeat(251)}"`,
      'null',
      '5',
      'true',
      '[]',
      '{}',
      String.raw`"\u0000"`,
      String.raw`"\ud800"`,
    ];

    const { job, errors } = await patientsWith(field, values);

    expect(job.counts).toMatchObject({ received: values.length, rejected: values.length });
    expect(errors.map((error: any) => [error.index, error.externalId, Object.keys(error.errors)])).toEqual(
      values.map((_, index) => [index, `p${index}`, [field]]),
    );
  });

  it('in the middle may be null, absent or empty', async () => {
    const records = [
      patientText({ externalId: '"1"', middleName: 'null' }),
      patientText({ externalId: '"2"' }),
      patientText({ externalId: '"3"', middleName: '"J."' }),
      patientText({ externalId: '"4"', middleName: '5' }),
      patientText({ externalId: '"5"', middleName: `"${'x'.repeat(251)}"` }),
    ];

    const { job, items, errors } = await mirrorText('/patients', records);

    expect(job.counts).toMatchObject({ created: 3, rejected: 2 });
    expect(items).toMatchObject([{ middleName: null }, { middleName: null }, { middleName: 'J.' }]);
    expect(errors).toMatchObject([
      { externalId: '4', errors: { middleName: [expect.any(String)] } },
      { externalId: '5' },
    ]);
  });

  it('that is missing in several fields is reported for each of them', async () => {
    const { errors } = await mirrorText('/patients', ['{"externalId":"1"}', '{}']);

    expect(errors).toMatchObject([
      { externalId: '1', errors: { firstName: [expect.any(String)], lastName: [expect.any(String)] } },
      { externalId: null, errors: { externalId: [expect.any(String)], firstName: [expect.any(String)] } },
    ]);
  });
});

describe('a birth date', () => {
  it('may be any calendar day after 1900 up to today, null or absent', async () => {
    const days = ['2000-02-29', '1901-01-01', '1904-02-29', '1999-12-31', '2020-04-30', today];

    const { job, items } = await patientsWith('dateOfBirth', [...days.map((day) => `"${day}"`), 'null']);

    expect(job.counts).toMatchObject({ received: 7, created: 7 });
    expect(items.map((item: { dateOfBirth: string | null }) => item.dateOfBirth)).toEqual([...days, null]);
  });

  const NO_DAYS = [
    'not a day',
    '2021-02-30',
    '2021-02-29',
    '2100-02-29',
    '1900-02-29',
    '2020-04-31',
    '2020-13-01',
    '2020-00-10',
    '2020-01-00',
    '2020-1-1',
    '20200101',
    '01/02/2003',
    '2020-01-01T00:00:00Z',
    ' 2020-01-01',
    '2020-01-01\n',
    '',
    '-2020-01-01',
    '+12020-01-01',
    '12020-01-01',
    '２０２０-01-01',
  ];

  it('that is not a calendar day in this format is rejected', async () => {
    const { job, errors } = await patientsWith(
      'dateOfBirth',
      NO_DAYS.map((day) => JSON.stringify(day)),
    );

    expect(job.counts).toMatchObject({ received: NO_DAYS.length, created: 0, rejected: NO_DAYS.length });
    expect(errors).toMatchObject(
      NO_DAYS.map((dateOfBirth) => ({
        code: 'invalid_record',
        data: { dateOfBirth },
        errors: { dateOfBirth: [expect.any(String)] },
      })),
    );
  });

  it.each(['20200101', 'true', '[]', '{}', '0'])('%s, which is no string, is rejected', async (literal) => {
    const { errors } = await patientsWith('dateOfBirth', [literal]);

    expect(errors).toMatchObject([{ errors: { dateOfBirth: [expect.any(String)] } }]);
  });

  it('of 1900 and before is rejected', async () => {
    const { job, errors } = await patientsWith('dateOfBirth', [
      '"1900-12-31"',
      '"1899-01-01"',
      '"0001-01-01"',
      '"0000-01-01"',
    ]);

    expect(job.counts).toMatchObject({ received: 4, rejected: 4 });
    expect(errors).toHaveLength(4);
  });

  it('in the future is rejected with this message', async () => {
    const { errors } = await patientsWith('dateOfBirth', [`"${tomorrow}"`, '"9999-12-31"']);

    const message = { dateOfBirth: ['Date of birth cannot be in the future'] };
    expect(errors).toMatchObject([{ errors: message }, { errors: message }]);
  });

  it('in the future is accepted if the settings allow it, but no other invalid date is', async () => {
    const values = [`"${tomorrow}"`, '"9999-12-31"', '"2021-02-30"', '"1900-12-31"', '"3000-02-29"'];

    const { job, items } = await patientsWith('dateOfBirth', values, accepting);

    expect(job.counts).toMatchObject({ received: 5, created: 2, rejected: 3 });
    expect(items).toMatchObject([{ dateOfBirth: tomorrow }, { dateOfBirth: '9999-12-31' }]);
  });
});

describe('an amount', () => {
  const KEPT: [sent: string, shown: string][] = [
    ['4.46', '4.46'],
    ['"4.46"', '4.46'],
    ['7.10', '7.10'],
    ['7.1', '7.10'],
    ['"7.10"', '7.10'],
    ['1.2345', '1.2345'],
    ['"1.2345"', '1.2345'],
    ['1.234', '1.234'],
    ['1.50000', '1.50'],
    ['"1.5000000000000000000000000"', '1.50'],
    ['0.10000000000000000000000', '0.10'],
    ['0', '0.00'],
    ['-0', '0.00'],
    ['"-0"', '0.00'],
    ['"-0.00"', '0.00'],
    ['-12.5', '-12.50'],
    ['"-12.5"', '-12.50'],
    ['100', '100.00'],
    ['1e2', '100.00'],
    ['1E+2', '100.00'],
    ['12345e-4', '1.2345'],
    ['0e400', '0.00'],
    ['999999999999999.9999', '999999999999999.9999'],
    ['-999999999999999.9999', '-999999999999999.9999'],
    ['"999999999999999.9999"', '999999999999999.9999'],
    ['"-999999999999999.9999"', '-999999999999999.9999'],
    ['123456789012345.6789', '123456789012345.6789'],
    ['9007199254740.993', '9007199254740.993'],
    ['0.1', '0.10'],
    ['"007.5"', '7.50'],
    ['"0.0001"', '0.0001'],
  ];

  it('is kept exactly', async () => {
    const records = KEPT.map(([sent], index) => `{"externalId":"${100 + index}","patientId":"1","amount":${sent}}`);

    const { job, items } = await mirrorText('/payments', records);

    expect(job.counts).toMatchObject({ received: KEPT.length, created: KEPT.length, rejected: 0 });
    expect(items.map((item: { amount: string }, index: number) => [KEPT[index]?.[0], item.amount])).toEqual(KEPT);
  });

  const REJECTED = [
    '1e400',
    '-1e400',
    '1e-400',
    '"NaN"',
    '"Infinity"',
    '0.1000000000000000055',
    '"0.1000000000000000055"',
    '1.00001',
    '"1.23456"',
    '1000000000000000',
    '"1000000000000000"',
    '-1000000000000000',
    '1e15',
    '1e308',
    '9999999999999999.5',
    '999999999999999.99999',
    '"1e2"',
    '" 5"',
    '"5 "',
    '"+5"',
    '"0x10"',
    '"1,000.00"',
    '"1.000,00"',
    '"$5"',
    '".5"',
    '"5."',
    '"."',
    '"-"',
    '"--5"',
    '"1_000"',
    '"٥"',
    '""',
    'true',
    'false',
    'null',
    '[]',
    '[1]',
    '{}',
  ];

  it('that is invalid or cannot be stored exactly is rejected, never rounded', async () => {
    const records = REJECTED.map((literal, index) => `{"externalId":"e${index}","patientId":"1","amount":${literal}}`);

    const { job, errors, items } = await mirrorText('/payments', [...records, '{"externalId":"e99","patientId":"1"}']);

    expect(items).toEqual([]);
    expect(job.counts).toMatchObject({ received: records.length + 1, created: 0, rejected: records.length + 1 });
    expect(errors.map((error: any) => [error.externalId, error.code, Object.keys(error.errors)])).toEqual(
      [...records.keys(), 99].map((index) => [`e${index}`, 'invalid_record', ['amount']]),
    );
  });

  it('that is rejected is reported exactly as it was sent', async () => {
    const literals = ['1e400', '0.1000000000000000055', '12345678901234567890.12', '1.23456'];
    const records = literals.map((amount, index) => `{"externalId":"e${index}","patientId":"1","amount":${amount}}`);

    const { from, job } = await mirrorText('/payments', records);

    const text = await (await from.fetch(job.links.errors)).text();
    for (const literal of literals) expect(text).toContain(`"amount":${literal}}`);
  });

  it('is summed exactly, however large', async () => {
    const amounts = ['999999999999999.9999', '999999999999999.9999', '-0.0001', '0.0002', '0.1', '0.2'];

    const { from } = await mirrorText(
      '/payments',
      amounts.map((amount, index) => `{"externalId":"${index}","patientId":"1","amount":${amount}}`),
    );

    expect(await from.get('/patients/1')).toMatchObject({ paymentsTotal: '2000000000000000.2999', paymentsCount: 6 });
  });
});

describe('the names of fields', () => {
  it('may be written in snake_case', async () => {
    const from = new Sender(server);
    const patients = [
      { external_id: 5, first_name: 'Rick', last_name: 'Deckard', middle_name: 'J', date_of_birth: '1994-02-01' },
    ];

    expect(await from.mirror('/patients', patients)).toMatchObject({ counts: { created: 1 }, warnings: [] });
    const job = await from.mirror('/payments', [{ external_id: 501, patient_id: 5, amount: 4.46 }]);

    expect(job).toMatchObject({ counts: { created: 1, unresolved: 0 }, warnings: [] });
    expect((await from.get('/patients')).items).toMatchObject([
      {
        externalId: '5',
        firstName: 'Rick',
        middleName: 'J',
        lastName: 'Deckard',
        dateOfBirth: '1994-02-01',
        paymentsTotal: '4.46',
      },
    ]);
  });

  it('are reported in camelCase for a rejected record', async () => {
    const { errors } = await mirrorText('/patients', [
      '{"external_id":1,"first_name":"a","last_name":"b","date_of_birth":"x"}',
    ]);

    expect(errors).toMatchObject([{ externalId: '1', errors: { dateOfBirth: [expect.any(String)] } }]);
  });

  it('that are unknown are ignored and counted', async () => {
    const records = [
      patientText({ externalId: '1', phone: '"1"', nested: '{"externalId":"x"}' }),
      patientText({ externalId: '2', phone: 'null' }),
      patientText({ externalId: '3' }),
    ];

    const { job } = await mirrorText('/patients', records);

    expect(job.counts).toMatchObject({ received: 3, created: 3, rejected: 0 });
    expect(job.warnings).toMatchObject([
      { code: 'unknown_field', field: 'phone', count: 2, detail: expect.any(String) },
      { code: 'unknown_field', field: 'nested', count: 1 },
    ]);
  });

  it('that are unknown are not all repeated if there are thousands', async () => {
    const fields = Object.fromEntries(Array.from({ length: 2000 }, (_, index) => [`field${index}`, '1']));

    const { job } = await mirrorText('/patients', [patientText(fields)]);

    expect(job.counts).toMatchObject({ created: 1 });
    expect(job.warnings.length).toBeLessThan(30);
    expect(JSON.stringify(job.warnings).length).toBeLessThan(10_000);
  });

  it.each(['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', '', 'a\u0000b', '\ud800'])(
    'may be %j, which is treated as unknown',
    async (name) => {
      const record = `{${JSON.stringify(name)}:{"firstName":"Evil","externalId":"9"},${patientText({}).slice(1)}`;

      const { job, items } = await mirrorText('/patients', [record]);

      expect(job.counts).toMatchObject({ created: 1 });
      expect(items).toMatchObject([{ externalId: '1', firstName: 'Rick' }]);
      expect(job.warnings).toMatchObject([{ code: 'unknown_field', count: 1 }]);
    },
  );

  it('are not looked for in a prototype', async () => {
    const { errors } = await mirrorText('/patients', [
      '{"__proto__":{"externalId":"9","firstName":"a","lastName":"b"}}',
    ]);

    expect(errors).toMatchObject([{ externalId: null, errors: { externalId: [expect.any(String)] } }]);
    expect(Object.hasOwn(errors[0].data, '__proto__')).toBe(true);
  });

  it('that occur twice in one record: the last one counts, as with JSON.parse', async () => {
    const { items } = await mirrorText('/patients', [
      '{"externalId":"1","firstName":"a","firstName":"b","lastName":"c"}',
    ]);

    expect(items).toMatchObject([{ firstName: 'b' }]);
  });
});

describe('a record that is not an object', () => {
  it('is rejected with its position, and the others are processed', async () => {
    const records = [
      'null',
      '5',
      '"text"',
      'true',
      '[]',
      '12345678901234567890',
      patientText({}),
      '[{"externalId":"2"}]',
    ];

    const { from, job, errors, items } = await mirrorText('/patients', records);

    expect(job.counts).toMatchObject({ received: 8, created: 1, rejected: 7 });
    expect(errors.map(({ index, code, externalId }: any) => [index, code, externalId])).toEqual(
      [0, 1, 2, 3, 4, 5, 7].map((index) => [index, 'not_an_object', null]),
    );
    expect(await (await from.fetch(job.links.errors)).text()).toContain('"data":12345678901234567890,');
    expect(items).toHaveLength(1);
  });
});

describe('text that cannot be stored', () => {
  it('is rejected per record, wherever it occurs in a known field', async () => {
    const { job, errors } = await mirrorText('/patients', [
      patientText({ externalId: '"1"', firstName: String.raw`"a\u0000"` }),
      patientText({ externalId: '"2"', middleName: String.raw`"\ud800x"` }),
      patientText({ externalId: '"3"', unknown: String.raw`"\ud800\u0000"` }),
    ]);

    expect(job.counts).toMatchObject({ received: 3, created: 1, rejected: 2 });
    expect(errors).toMatchObject([
      { externalId: '1', data: { firstName: 'a\u0000' }, errors: { firstName: [expect.any(String)] } },
      { externalId: '2', data: { middleName: '\ud800x' }, errors: { middleName: [expect.any(String)] } },
    ]);
  });
});

describe('the sample snapshots', () => {
  const born = (years: number) => `${new Date().getUTCFullYear() + years}-12-31`;

  it('reject future birth dates and earlier duplicates, and sum the rest exactly', async () => {
    const from = new Sender(server);

    const patients = await from.mirror('/patients', [
      { externalId: '5', firstName: 'Rick', lastName: 'Deckard', dateOfBirth: '1994-02-01' },
      { externalId: '8', firstName: 'Roy', lastName: 'Batti', dateOfBirth: '1993-06-12' },
      { externalId: '15', firstName: 'Eldon', middleName: '', lastName: 'Tyrell', dateOfBirth: '1950-11-21' },
      ...[52, 53, 54].map((id) => ({ externalId: String(id), firstName: 'A', lastName: 'B', dateOfBirth: born(id) })),
    ]);
    const payments = await from.mirror('/payments', [
      { externalId: '501', patientId: '5', amount: 4.46 },
      { externalId: '502', patientId: '5', amount: 5.66 },
      { externalId: '503', patientId: '5', amount: 7.1 },
      { externalId: '601', patientId: '8', amount: 23.32 },
      { externalId: '602', patientId: '8', amount: 5.29 },
      { externalId: '602', patientId: '8', amount: 2.29 },
      { externalId: '701', patientId: '15', amount: '9.29' },
    ]);

    expect(patients.counts).toMatchObject({ received: 6, created: 3, rejected: 3 });
    expect((await from.get(patients.links.errors)).items).toEqual(
      [52, 53, 54].map((id, index) => ({
        index: 3 + index,
        externalId: String(id),
        status: 'fail',
        code: 'invalid_record',
        data: { externalId: String(id), firstName: 'A', lastName: 'B', dateOfBirth: born(id) },
        errors: { dateOfBirth: ['Date of birth cannot be in the future'] },
      })),
    );
    expect(payments.counts).toMatchObject({ received: 7, created: 6, rejected: 1, unresolved: 0 });
    expect((await from.get(payments.links.errors)).items).toMatchObject([
      { index: 4, externalId: '602', code: 'duplicate_external_id', data: { amount: 5.29 } },
    ]);
    const { items } = await from.get('/patients?sort=-paymentsTotal');
    expect(items.map((item: any) => [item.externalId, item.paymentsTotal, item.paymentsCount])).toEqual([
      ['8', '25.61', 2],
      ['5', '17.22', 3],
      ['15', '9.29', 1],
    ]);
  });

  it('sent twice are unchanged the second time, and so are the rows', async () => {
    const from = new Sender(server);
    await from.mirror('/patients', [aPatient({ dateOfBirth: born(1), externalId: '2' }), aPatient()]);
    await from.mirror('/payments', [aPayment()]);
    const before = [await from.get('/patients'), await from.get('/payments')];

    const again = await from.mirror('/patients', [aPatient({ dateOfBirth: born(1), externalId: '2' }), aPatient()]);

    expect(again.counts).toMatchObject({ received: 2, created: 0, updated: 0, unchanged: 1, rejected: 1 });
    expect((await from.get(again.links.errors)).items).toMatchObject([{ index: 0, externalId: '2' }]);
    expect([await from.get('/patients'), await from.get('/payments')]).toEqual(before);
  });
});
