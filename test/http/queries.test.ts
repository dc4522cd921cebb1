import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { partsOf, signed, unsigned } from '../setup/cursors.js';
import { startTestServer, type TestServer } from '../setup/test-server.js';
import { rawRequest } from './raw-http.js';
import { aPatient, aPayment, Sender, somePatients } from './sender.js';

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer();
});

afterAll(() => server.close());

const idsOf = (page: { items: { externalId: string }[] }) => page.items.map(({ externalId }) => externalId);

/** Reads all pages; the links must agree with the cursors. */
async function walk(
  from: Sender,
  path: string,
  between: () => Promise<unknown> = async () => undefined,
): Promise<string[]> {
  const seen: string[] = [];
  for (let next: string | null = path, pages = 0; next !== null; pages++) {
    if (pages > 200) throw new Error('the pages do not end');
    const response = await from.fetch(next);
    const page: any = await response.json();
    if (!response.ok) throw new Error(JSON.stringify(page));
    seen.push(...idsOf(page));
    const link: string | undefined = /^<([^>]+)>; rel="next"$/.exec(response.headers.get('link') ?? '')?.[1];
    expect(link === undefined).toBe(page.nextCursor === null);
    next = link ?? null;
    if (next) await between();
  }
  return seen;
}

async function expectRefusal(from: Sender, path: string, parameter?: string): Promise<void> {
  const response = await from.fetch(path);
  const problem: any = await response.json();
  expect({ path, status: response.status, type: response.headers.get('content-type')?.split(';')[0] }).toEqual({
    path,
    status: 400,
    type: 'application/problem+json',
  });
  expect(problem).toMatchObject({ status: 400, title: expect.any(String), detail: expect.any(String) });
  if (parameter !== undefined) expect(problem.errors[0]).toMatchObject({ parameter, code: expect.any(String) });
}

describe('patients by the total of their payments', () => {
  /** Totals: a 17.22, b 25.61, c 10, d −3.5, e 0 with two payments, f without any, g 20.0001. */
  let from: Sender;

  beforeAll(async () => {
    from = new Sender(server);
    await from.mirror(
      '/patients',
      [...'abcdefg'].map((externalId) => aPatient({ externalId })),
    );
    const amounts: [string, string][] = [
      ['a', '4.46'],
      ['a', '5.66'],
      ['a', '7.10'],
      ['b', '23.32'],
      ['b', '2.29'],
      ['c', '10'],
      ['d', '-3.5'],
      ['e', '5'],
      ['e', '-5'],
      ['g', '20.0001'],
    ];
    await from.mirror(
      '/payments',
      amounts.map(([patientId, amount], index) => aPayment({ externalId: String(index), patientId, amount })),
    );
  });

  it.each([
    ['payment_min=10&payment_max=20', 'ac'],
    ['payments_min=10&payments_max=20', 'ac'],
    ['payment_min=10&payments_max=20', 'ac'],
    ['payment_min=10&payments_min=10.00&payment_max=20', 'ac'],
    ['payment_min=17.22&payment_max=17.22', 'a'],
    ['payment_min=17.2200&payment_max=17.22000', 'a'],
    ['payment_min=17.2201', 'bg'],
    ['payment_max=17.2199', 'cdef'],
    ['payment_min=20', 'bg'],
    ['payment_max=20', 'acdef'],
    ['payment_max=20.0001&payment_min=20.0001', 'g'],
    ['payment_min=0&payment_max=0', 'ef'],
    ['payment_min=-0&payment_max=0', 'ef'],
    ['payment_max=0', 'def'],
    ['payment_max=-1', 'd'],
    ['payment_min=-3.5&payment_max=-3.5', 'd'],
    ['payment_min=-100', 'abcdefg'],
    ['payment_min=00010', 'abcg'],
    ['payment_min=999999999999999.9999', ''],
    ['payment_min=17.22000000000000000001', 'bg'],
    ['', 'abcdefg'],
  ])('%s finds "%s"', async (query, ids) => {
    expect(idsOf(await from.get(`/patients?${query}`)).join('')).toBe(ids);
  });

  it('show the total and the number of payments', async () => {
    const { items } = await from.get('/patients');

    expect(
      items.map(({ externalId, paymentsTotal, paymentsCount }: any) => [externalId, paymentsTotal, paymentsCount]),
    ).toEqual([
      ['a', '17.22', 3],
      ['b', '25.61', 2],
      ['c', '10.00', 1],
      ['d', '-3.50', 1],
      ['e', '0.00', 2],
      ['f', '0.00', 0],
      ['g', '20.0001', 1],
    ]);
  });

  it.each([
    ['payment_min=20&payment_max=10', 'payment_min'],
    ['payment_min=10.01&payments_max=10', 'payment_min'],
    ['payment_min=10&payments_min=11', 'payment_min'],
    ['payment_max=10&payments_max=10.001', 'payment_max'],
    ...[
      'abc',
      '',
      'NaN',
      'Infinity',
      '1e400',
      '0x10',
      '--1',
      '1,5',
      '%2B5',
      '%205',
      '1.',
      '1%00',
      '%D9%A5',
      "1'--",
      '[]',
    ].flatMap((value): [string, string][] => [
      [`payment_min=${value}`, 'payment_min'],
      [`payments_max=${value}`, 'payments_max'],
    ]),
    ['payment_min=1&payment_min=1', 'payment_min'],
    ['payment_min[]=1', 'payment_min[]'],
    ['paymentMin=1', 'paymentMin'],
  ])('refuse %s', async (query, parameter) => {
    await expectRefusal(from, `/patients?${query}`, parameter);
  });

  it('reflect changed payments at once: the range applies to the current totals', async () => {
    const other = new Sender(server);
    await other.mirror('/payments', [aPayment({ amount: '15' })]);
    expect(idsOf(await other.get('/patients?payment_min=10'))).toEqual([]);

    await other.mirror('/patients', [aPatient()]);
    expect(idsOf(await other.get('/patients?payment_min=10'))).toEqual(['1']);

    await other.mirror('/payments', [aPayment({ amount: '5' })]);
    expect(idsOf(await other.get('/patients?payment_min=10'))).toEqual([]);
  });
});

describe('patients by the start of a name', () => {
  let from: Sender;

  beforeAll(async () => {
    from = new Sender(server);
    const names: [string, string][] = [
      ['Rick', 'Deckard'],
      ['Roy', 'Batti'],
      ['Ägidius', 'ÖZIL'],
      ['100%', 'x'],
      ['a_b', 'y'],
      ['aXb', 'y'],
      [String.raw`back\slash`, 'z'],
      ['Λάμδα', 'Привет'],
      ['🦄corn', '東京'],
      ["O'Neil", '"q"'],
      ['rICHARD', ' Lead'],
    ];
    await from.mirror(
      '/patients',
      names.map(([firstName, lastName], index) => aPatient({ externalId: String(100 + index), firstName, lastName })),
    );
  });

  it.each([
    ['rick', [100]],
    ['RIC', [100, 110]],
    ['deck', [100]],
    ['eckard', []],
    ['r', [100, 101, 110]],
    ['äg', [102]],
    ['ÄGIDIUS', [102]],
    ['özi', [102]],
    ['100%', [103]],
    ['1%', []],
    ['%', []],
    ['_', []],
    ['a_', [104]],
    ['a', [104, 105]],
    ['back\\', [106]],
    ['back\\\\', []],
    ['\\', []],
    ['λά', [107]],
    ['ΛΆΜ', [107]],
    ['при', [107]],
    ['ПРИВЕТ', [107]],
    ['🦄', [108]],
    ['東', [108]],
    ["o'", [109]],
    ['"q', [109]],
    [' lead', [110]],
    ['Rick Deckard', []],
  ])('%j finds %j', async (q, ids) => {
    expect(idsOf(await from.get(`/patients?q=${encodeURIComponent(q)}`))).toEqual(ids.map(String));
  });

  it('reads a plus as a blank, as forms send it', async () => {
    expect(idsOf(await from.get('/patients?q=+lead'))).toEqual(['110']);
  });

  it('can be combined with a range, an order and pages', async () => {
    expect(await walk(from, '/patients?q=r&payment_max=0&sort=lastName&limit=1')).toEqual(['110', '101', '100']);
  });

  it.each(['q=', `q=${'x'.repeat(251)}`, 'q=a&q=b', 'q=a%00b'])('refuses %s', async (query) => {
    await expectRefusal(from, `/patients?${query}`, 'q');
  });
});

describe('the order', () => {
  const NAMES = ['é', 'a', 'Z', '🦄', 'z', '～', 'A', 'aa', 'a b', 'ß', '东', 'Ａ'];
  const byCodePoint = (one: string, other: string) => Buffer.compare(Buffer.from(one), Buffer.from(other));
  let from: Sender;
  let totals: Map<string, number>;

  beforeAll(async () => {
    from = new Sender(server);
    totals = new Map(NAMES.map((name, index) => [name, [0, 5, -5][index % 3] as number]));
    await from.mirror(
      '/patients',
      NAMES.map((name, index) => aPatient({ externalId: name, lastName: index % 2 ? 'same' : `L${name}` })),
    );
    await from.mirror(
      '/payments',
      [...totals].flatMap(([patientId, amount]) =>
        amount ? [aPayment({ externalId: patientId, patientId, amount })] : [],
      ),
    );
  });

  const sorted = NAMES.toSorted(byCodePoint);
  const lastName = (name: string) => (NAMES.indexOf(name) % 2 ? 'same' : `L${name}`);
  const total = (name: string) => totals.get(name) ?? 0;
  const ORDERS: Record<string, () => string[]> = {
    externalId: () => sorted,
    lastName: () => sorted.toSorted((one, other) => byCodePoint(lastName(one), lastName(other))),
    paymentsTotal: () => sorted.toSorted((one, other) => total(one) - total(other)),
    '-paymentsTotal': () => sorted.toSorted((one, other) => total(other) - total(one)),
  };

  it('is by default that of the external ids by code point', async () => {
    expect(idsOf(await from.get('/patients'))).toEqual(sorted);
    expect(sorted.indexOf('Z')).toBeLessThan(sorted.indexOf('a'));
    expect(sorted.indexOf('é')).toBeLessThan(sorted.indexOf('🦄'));
    // In UTF-16 order, which JavaScript uses, it is the other way round.
    expect(sorted.indexOf('～')).toBeLessThan(sorted.indexOf('🦄'));
  });

  describe.each(Object.keys(ORDERS))('%s', (sort) => {
    it('breaks ties by the external id', async () => {
      expect(idsOf(await from.get(`/patients?sort=${sort}`))).toEqual(ORDERS[sort]?.());
    });

    it.each([1, 2, 3, 11, 12, 13])('visits every row once in pages of %i', async (limit) => {
      expect(await walk(from, `/patients?sort=${sort}&limit=${limit}`)).toEqual(ORDERS[sort]?.());
    });

    it('refuses cursors of other orders, of another shape, and forged ones', async () => {
      const others = Object.keys(ORDERS).filter((other) => other !== sort);
      for (const other of others) {
        const { nextCursor } = await from.get(`/patients?sort=${other}&limit=1`);
        await expectRefusal(from, `/patients?sort=${sort}&cursor=${nextCursor}`, 'cursor');
      }
      const { nextCursor } = await from.get(`/patients?sort=${sort}&limit=1`);
      const [scope = ''] = partsOf(nextCursor);
      for (const key of [[], ['0'], ['0', '5', 'a', 'b']]) {
        await expectRefusal(from, `/patients?sort=${sort}&cursor=${signed(server, scope, ...key)}`, 'cursor');
      }
      for (const forged of [unsigned(scope, '0', '5', 'a'), `${nextCursor}A`, `A${nextCursor}`]) {
        await expectRefusal(from, `/patients?sort=${sort}&cursor=${forged}`, 'cursor');
      }
    });
  });

  it.each([
    'sort=',
    'sort=firstName',
    'sort=-lastName',
    'sort=externalid',
    'sort=lastName&sort=lastName',
    'sort=lastName,externalId',
    'sort=toString',
  ])('refuses %s', async (query) => {
    await expectRefusal(from, `/patients?${query}`, 'sort');
  });

  it('of payments is that of their external ids, across pages', async () => {
    const paying = sorted.filter((name) => total(name) !== 0);

    for (const limit of [1, 2, 3, paying.length, 50])
      expect(await walk(from, `/payments?limit=${limit}`)).toEqual(paying);
  });
});

describe('pages while a snapshot is applied', () => {
  const stay = Array.from({ length: 12 }, (_, index) => `s${String(index).padStart(2, '0')}`);
  const snapshot = (round: number) => [
    ...stay.map((externalId) => aPatient({ externalId, lastName: `L${externalId}` })),
    ...Array.from({ length: 6 }, (_, index) =>
      aPatient({ externalId: `m${round}-${index}`, lastName: `Ls${index}${round}` }),
    ),
  ];

  it.each(['externalId', 'lastName', 'paymentsTotal', '-paymentsTotal'])(
    'skip and repeat no row that stays: by %s',
    async (sort) => {
      const from = new Sender(server);
      let round = 0;
      await from.mirror('/patients', snapshot(round));
      await from.mirror(
        '/payments',
        stay.map((id, index) => aPayment({ externalId: id, patientId: id, amount: String(index) })),
      );

      const seen = await walk(from, `/patients?sort=${sort}&limit=3`, async () => {
        if (round < 3) await from.mirror('/patients', snapshot(++round));
      });

      expect(seen.filter((id) => id.startsWith('s')).toSorted()).toEqual(stay);
      expect(new Set(seen).size).toBe(seen.length);
    },
  );

  it.each(['paymentsTotal', '-paymentsTotal'])('skip and repeat none whose total moves: by %s', async (sort) => {
    const from = new Sender(server);
    const pay = (round: number) =>
      stay.map((id, index) => aPayment({ externalId: id, patientId: id, amount: String((index * (round + 5)) % 13) }));
    let round = 0;
    await from.mirror('/patients', snapshot(0));
    await from.mirror('/payments', pay(0));

    const seen = await walk(from, `/patients?sort=${sort}&limit=4`, () => from.mirror('/payments', pay(++round)));

    expect(seen.toSorted()).toEqual([...stay, ...Array.from({ length: 6 }, (_, index) => `m0-${index}`)].toSorted());
  });
});

describe('one patient', () => {
  const IDS = [
    'a/b',
    'a%2Fb',
    '?x=1&y',
    '#',
    'ü',
    '東京 🦄',
    'a b',
    '+',
    "'",
    '"',
    '\\',
    '%',
    'a\nb',
    '..',
    'payments',
    '__proto__',
    'x'.repeat(250),
  ];
  let from: Sender;

  beforeAll(async () => {
    from = new Sender(server);
    await from.mirror(
      '/patients',
      IDS.map((externalId) => aPatient({ externalId })),
    );
    await from.mirror(
      '/payments',
      IDS.map((patientId) => aPayment({ externalId: `of ${patientId}`.slice(0, 250), patientId, amount: '7.1' })),
    );
  });

  it.each(IDS)('is found by its external id %j, and so are its payments', async (externalId) => {
    const path = `/patients/${externalId === '..' ? '%2E%2E' : encodeURIComponent(externalId)}`;
    const headers = { 'X-Source': from.source };

    const patient = await rawRequest(server, 'GET', path, { headers });
    const payments = await rawRequest(server, 'GET', `${path}/payments`, { headers });
    const filtered = await from.get(`/payments?external_id=${encodeURIComponent(externalId)}`);

    expect(JSON.parse(patient.body.toString())).toMatchObject({ externalId, paymentsTotal: '7.10', paymentsCount: 1 });
    expect(JSON.parse(payments.body.toString())).toEqual(filtered);
    expect(filtered).toMatchObject({ items: [{ patientId: externalId, amount: '7.10' }], nextCursor: null });
  });

  it('has the shape of the contract', async () => {
    await from.mirror('/patients?mode=partial', [
      aPatient({ externalId: 'shape', middleName: 'J', dateOfBirth: '1994-02-01' }),
    ]);

    const patient = await from.get('/patients/shape');

    const instant = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    expect(patient).toEqual({
      id: expect.any(Number),
      externalId: 'shape',
      firstName: 'Rick',
      middleName: 'J',
      lastName: 'Deckard',
      dateOfBirth: '1994-02-01',
      paymentsTotal: '0.00',
      paymentsCount: 0,
      created: instant,
      updated: patient.created,
    });
    expect(
      (await from.get('/patients?q=rick&limit=1000')).items.find((item: any) => item.externalId === 'shape'),
    ).toEqual(patient);
  });

  it.each(['nobody', '%00', 'a%00b', 'x'.repeat(251), 'x'.repeat(5000), '%F0%9F%A6%84', "' or 1=1--", 'A%2FB'])(
    'that does not exist is a 404: %s',
    async (path) => {
      for (const tail of ['', '/payments']) {
        const response = await from.fetch(`/patients/${path}${tail}`);
        expect(response.status).toBe(404);
        expect(response.headers.get('content-type')).toMatch(/^application\/problem\+json/);
        expect(await response.json()).toMatchObject({
          status: 404,
          title: expect.any(String),
          detail: expect.any(String),
        });
      }
    },
  );

  it('that was deleted is a 404, and its payments are hidden until it is back', async () => {
    const one = new Sender(server);
    await one.mirror('/patients', somePatients(2));
    await one.mirror('/payments', [aPayment({ externalId: '7', patientId: '2' })]);
    const before = await one.get('/patients/2');

    await one.mirror('/patients', somePatients(1));
    expect((await one.fetch('/patients/2')).status).toBe(404);
    expect((await one.fetch('/patients/2/payments')).status).toBe(404);
    expect((await one.get('/payments')).items).toEqual([]);
    expect((await one.get('/payments?external_id=2')).items).toEqual([]);

    await one.mirror('/patients', somePatients(2));
    expect(await one.get('/patients/2')).toMatchObject({
      id: before.id,
      created: before.created,
      paymentsTotal: '1.00',
      paymentsCount: 1,
    });
    expect((await one.get('/payments?external_id=2')).items).toHaveLength(1);
  });
});

describe('payments', () => {
  let from: Sender;

  beforeAll(async () => {
    from = new Sender(server);
    await from.mirror('/patients', somePatients(2));
    await from.mirror('/payments', [
      aPayment({ externalId: '501', amount: '4.46' }),
      aPayment({ externalId: '502', amount: 1.2345 }),
      aPayment({ externalId: '601', patientId: '2', amount: -3 }),
      aPayment({ externalId: 'lost', patientId: 'nobody' }),
    ]);
  });

  it.each([
    ['', ['501', '502', '601']],
    ['external_id=1', ['501', '502']],
    ['external_id=2', ['601']],
    ['external_id=nobody', []],
    ['external_id=3', []],
    ['payment_external_id=502', ['502']],
    ['payment_external_id=502&external_id=1', ['502']],
    ['payment_external_id=502&external_id=2', []],
    ['payment_external_id=lost', []],
    ['payment_external_id=1', []],
  ])('by "%s" are %j', async (query, ids) => {
    expect(idsOf(await from.get(`/payments?${query}`))).toEqual(ids);
  });

  it('have the shape of the contract', async () => {
    const { items } = await from.get('/payments');

    expect(items[0]).toEqual({
      id: expect.any(Number),
      externalId: '501',
      patientId: '1',
      amount: '4.46',
      created: expect.stringMatching(/Z$/),
      updated: items[0].created,
    });
    expect(items.map(({ amount }: { amount: string }) => amount)).toEqual(['4.46', '1.2345', '-3.00']);
  });

  it.each([
    ['external_id=', 'external_id'],
    ['external_id=1&external_id=2', 'external_id'],
    ['external_id=%00', 'external_id'],
    ['payment_external_id=', 'payment_external_id'],
    ['payment_external_id=a%00', 'payment_external_id'],
    [`external_id=${'x'.repeat(251)}`, 'external_id'],
    ['externalId=1', 'externalId'],
    ['patient_id=1', 'patient_id'],
  ])('refuse %s', async (query, parameter) => {
    await expectRefusal(from, `/payments?${query}`, parameter);
  });

  it('refuse cursors of other lists and forged ones, also where there is nothing to list', async () => {
    const { nextCursor } = await from.get('/payments?limit=1');

    await expectRefusal(from, `/patients?cursor=${nextCursor}`, 'cursor');
    await expectRefusal(from, '/payments?cursor=nonsense', 'cursor');
    await expectRefusal(from, `/payments?external_id=nobody&cursor=${unsigned('payments', 1)}`, 'cursor');
    await expectRefusal(from, `/payments?cursor=${unsigned('payments', 'a\ud800')}`, 'cursor');
    await expectRefusal(from, `/patients/1/payments?cursor=${signed(server, 'jobs', 'a')}`, 'cursor');
  });
});

describe('every list', () => {
  const from = () => new Sender(server);

  it.each(['/patients', '/payments', '/sync/jobs'])('%s takes a limit of 1 to 1000', async (path) => {
    const one = from();
    for (const limit of ['0', '1001', 'abc', '', '1.0', '-1', '1e2', '%201', '999999999999999999999', '0x10']) {
      await expectRefusal(one, `${path}?limit=${limit}`, 'limit');
    }
    for (const limit of [1, 1000])
      expect(await one.get(`${path}?limit=${limit}`)).toEqual({ items: [], nextCursor: null });
  });

  it('shows 50 items by default', async () => {
    const one = from();
    await one.mirror('/patients', somePatients(51));

    const page = await one.get('/patients');

    expect(page.items).toHaveLength(50);
    expect(await walk(one, '/patients')).toHaveLength(51);
    expect((await one.get('/patients?limit=51')).nextCursor).toBeNull();
  });

  it('keeps the other parameters in its link', async () => {
    const one = from();
    await one.mirror('/patients', somePatients(3));

    const { headers } = await one.fetch('/patients?limit=2&q=R&sort=lastName&payment_max=5.0');

    const next = new URL(/<([^>]+)>/.exec(headers.get('link') ?? '')?.[1] ?? '', server.url);
    expect(Object.fromEntries(next.searchParams)).toEqual({
      limit: '2',
      q: 'R',
      sort: 'lastName',
      payment_max: '5.0',
      cursor: expect.any(String),
    });
  });
});

describe('an unknown parameter', () => {
  it('is a 400 on every route', async () => {
    const from = new Sender(server);
    await from.mirror('/patients', [aPatient()]);
    const { id } = await from.mirror('/payments', [aPayment()]);
    const { paths } = await server.get('/openapi.json');
    const routes = Object.entries(paths as Record<string, Record<string, unknown>>).flatMap(([path, operations]) =>
      Object.keys(operations)
        .filter((method) => method === 'get')
        .map(() => path),
    );
    expect(routes.length).toBeGreaterThan(10);

    for (const route of routes) {
      const path = route.replace('{externalId}', '1').replace('{id}', id);
      for (const name of ['foo', '__proto__', 'constructor', 'toString', '%00', 'limit[]']) {
        await expectRefusal(from, `${path}?${name}=1`);
      }
    }
  });
});

it.each(['abc', '', '1e2', '-1.5'])('a limit of "%s" is one fault, of its kind before its size', async (limit) => {
  const response = await server.fetch(`/patients?limit=${limit}`);

  expect(response.status).toBe(400);
  const detail = 'must be an integer number';
  expect(await response.json()).toMatchObject({
    detail: `limit: ${detail}`,
    errors: [{ parameter: 'limit', code: 'invalid_parameter', detail }],
  });
});
