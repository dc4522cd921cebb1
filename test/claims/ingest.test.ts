import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createHash, randomUUID } from 'node:crypto';
import { brotliCompressSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { rawRequest } from '../http/raw-http.js';
import { startTestServer, type TestServer } from '../setup/test-server.js';
import { aLine, Biller } from './biller.js';

const INSTANT = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);

let server: TestServer;
let biller: Biller;

beforeAll(async () => {
  server = await startTestServer({
    ROLE: 'api',
    TOP_PROVIDERS_PER_MINUTE: 1000,
    MAX_CLAIM_LINES: 300,
    MAX_CLAIM_BYTES: 200_000,
  });
});

beforeEach(() => {
  biller = new Biller(server);
});

afterAll(() => server.close());

/** Net fees of 0.00, 0.00, 81.25 and 35.60. */
const FOUR = [
  aLine({ provider_fees: '$210.00 ', allowed_fees: '$210.00 ', member_coinsurance: '$0.00 ', member_copay: '$0.00 ' }),
  aLine({ provider_fees: '$48.50 ', allowed_fees: '$60.00 ', member_coinsurance: '$4.00 ', member_copay: '$7.50 ' }),
  aLine({ provider_fees: '$1,140.00', allowed_fees: '$1,075.00', member_coinsurance: '$16.25', member_copay: '$0.00' }),
  aLine({ provider_fees: '99', allowed_fees: '90', member_coinsurance: '26.6', member_copay: '$ 0' }),
];

const HEADINGS: Record<string, string> = {
  service_date: 'service date',
  submitted_procedure: 'submitted procedure',
  quadrant: 'quadrant',
  plan_group_number: 'Plan/Group #',
  subscriber_number: 'Subscriber#',
  provider_npi: 'Provider NPI',
  provider_fees: 'provider fees',
  allowed_fees: 'Allowed fees',
  member_coinsurance: 'member coinsurance',
  member_copay: 'member copay',
};

const renamed = (line: Record<string, unknown>, rename: (name: string) => string) =>
  Object.fromEntries(Object.entries(line).map(([name, value]) => [rename(name), value]));

const cell = (value: unknown) => (/[",\r\n]/.test(String(value)) ? `"${String(value).replaceAll('"', '""')}"` : value);
const table = (lines: Record<string, unknown>[], end = '\n') =>
  [Object.keys(lines[0] ?? {}).map((name) => HEADINGS[name] ?? name), ...lines.map((line) => Object.values(line))]
    .map((cells) => cells.map(cell).join(',') + end)
    .join('');

describe('a claim', () => {
  it('is answered with its net fee and that of each line', async () => {
    const claim = await biller.submit(FOUR);

    expect(claim).toEqual({
      id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7/),
      externalClaimId: null,
      netFee: '116.85',
      lineCount: 4,
      created: INSTANT,
      lines: ['0.00', '0.00', '81.25', '35.60'].map((netFee, line) => ({ line, providerNpi: '1234567893', netFee })),
      payment: {
        status: 'pending',
        attempts: 0,
        reason: null,
        updated: INSTANT,
      },
    });
  });

  it('can be read with all fields that were sent', async () => {
    const { id } = await biller.submit([aLine({ quadrant: '', service_date: '12/31/99 23:59' }), aLine()]);

    expect(await biller.get(`/claims/${id}`)).toMatchObject({
      id,
      netFee: '110.00',
      lines: [
        {
          line: 0,
          serviceDate: '1999-12-31T23:59:00',
          submittedProcedure: 'D2740',
          quadrant: null,
          planGroupNumber: 'GRP-7',
          subscriberNumber: '4400990011',
          providerNpi: '1234567893',
          providerFees: '100.00',
          allowedFees: '60.00',
          memberCoinsurance: '10.00',
          memberCopay: '5.00',
          netFee: '55.00',
        },
        { line: 1, quadrant: 'UR', serviceDate: '2026-06-04T09:30:00' },
      ],
    });
  });

  it.each<[string, unknown, string?]>([
    ['a list under the headings of the form', FOUR.map((line) => renamed(line, (name) => HEADINGS[name] ?? ''))],
    ['an object', { lines: FOUR }],
    ['an object in other spellings', { LINES: FOUR.map((line) => renamed(line, (name) => name.toUpperCase())) }],
    [
      'a list in camelCase',
      FOUR.map((line) => renamed(line, (name) => name.replaceAll(/_(\w)/g, (_, x: string) => x.toUpperCase()))),
    ],
    [
      'a list in kebab-case with unknown fields',
      FOUR.map((line) => ({ ...renamed(line, (name) => name.replaceAll('_', '-')), note: {} })),
    ],
    ['a table', table(FOUR), 'text/csv'],
    ['a table with CRLF', table(FOUR, '\r\n'), 'text/csv; charset=utf-8'],
    ['a table with CR, a byte order mark and blank rows', `\ufeff\r${table(FOUR, '\r')} \r,,,,,,,,,\r\r`, 'text/csv'],
  ])('is accepted as %s', async (_, body, type = 'application/json') => {
    expect(await biller.submit(body, { 'Content-Type': type })).toMatchObject({ netFee: '116.85', lineCount: 4 });
  });

  it('can be a single line', async () => {
    expect(await biller.submit(aLine())).toMatchObject({ netFee: '55.00', lines: [{ line: 0, netFee: '55.00' }] });
  });

  it('keeps the sign of its net fee, and cents that no double holds', async () => {
    const large = aLine({
      provider_fees: '$9,999,999,999,999.99',
      allowed_fees: '0',
      member_coinsurance: 0.1,
      member_copay: '0.20',
    });
    const less = aLine({ provider_fees: '$0.00', allowed_fees: '$0.07', member_coinsurance: '0', member_copay: '0' });

    expect(await biller.submit([large, less])).toMatchObject({
      netFee: '10000000000000.22',
      lines: [{ netFee: '10000000000000.29' }, { netFee: '-0.07' }],
    });
  });

  it('can contain JSON numbers, which are read exactly', async () => {
    const numbers = {
      provider_npi: 1234567893,
      plan_group_number: 7,
      provider_fees: 100.5,
      allowed_fees: 1e2,
      quadrant: 10,
    };
    const text = JSON.stringify(aLine({ ...numbers, member_copay: 'X' })).replace('"X"', '12345678901234567890e-10');

    expect(await biller.faultsOf(text)).toEqual(['/member_copay invalid_amount']);
    expect(await biller.submit(aLine(numbers))).toMatchObject({ netFee: '15.50' });
  });

  it.each([
    ['gzip', gzipSync],
    ['br', brotliCompressSync],
    ['zstd', zstdCompressSync],
  ])('can be compressed with %s, within the size limit', async (encoding, compress) => {
    const headers = { 'Content-Encoding': encoding };
    expect(await biller.submit(compress(JSON.stringify(FOUR)), headers)).toMatchObject({ netFee: '116.85' });
    expect((await biller.post(compress(' '.repeat(300_000)), headers)).status).toBe(413);
    expect((await biller.post(compress(JSON.stringify(FOUR)).subarray(0, 40), headers)).status).toBe(400);
  });
});

describe('all faults of a claim are reported together', () => {
  const bad = {
    service_date: '2/30/26 0:00',
    submitted_procedure: '2740',
    quadrant: null,
    plan_group_number: ' ',
    subscriber_number: undefined,
    provider_npi: '123456789',
    provider_fees: '-$1.00',
    allowed_fees: '1.005',
    member_coinsurance: '1,00.00',
    member_copay: { amount: 5 },
  };
  const faults = [
    'member_copay not_text',
    'service_date invalid_service_date',
    'submitted_procedure invalid_procedure',
    'plan_group_number missing_field',
    'subscriber_number missing_field',
    'provider_npi invalid_npi',
    'provider_fees negative_amount',
    'allowed_fees invalid_amount',
    'member_coinsurance invalid_amount',
  ];

  it.each<[string, unknown, string]>([
    ['a list', [aLine(), aLine(bad)], '/1'],
    ['an object', { lines: [aLine(), aLine(bad)] }, '/lines/1'],
    ['a single line', aLine(bad), ''],
  ])('with pointers into %s, and nothing is stored', async (_, body, at) => {
    expect((await biller.faultsOf(body)).toSorted()).toEqual(faults.map((fault) => `${at}/${fault}`).toSorted());
    expect((await biller.get('/claims')).items).toEqual([]);
    expect(await biller.top()).toEqual([]);
  });

  it('with the row in a table', async () => {
    const lines = [aLine(), aLine({ submitted_procedure: 'x', service_date: '1/1/2026' })];

    expect(await biller.faultsOf(`${table(lines)}too,few\n`, { 'Content-Type': 'text/csv' })).toEqual([
      '/1/service_date invalid_service_date',
      '/1/submitted_procedure invalid_procedure',
      '/2 wrong_number_of_cells',
    ]);
  });

  it('with details that say what is expected, without the sent value', async () => {
    const response = await biller.post([aLine({ provider_npi: 'SECRET' })]);

    const text = await response.text();
    expect(text).not.toContain('SECRET');
    expect(JSON.parse(text)).toMatchObject({
      status: 422,
      code: 'invalid_claim',
      errors: [{ pointer: '/0/provider_npi', code: 'invalid_npi', detail: 'provider_npi must have exactly 10 digits' }],
    });
  });

  it.each<[string, unknown, string[]]>([
    ['an empty list', [], [' no_lines']],
    ['an empty list of lines', { lines: [] }, ['/lines no_lines']],
    ['lines that are an object', { lines: {} }, ['/lines not_a_claim']],
    ['lines that are null', { lines: null }, ['/lines not_a_claim']],
    ['null', 'null', [' not_a_claim']],
    ['a text', '"line"', [' not_a_claim']],
    ['a number', '5', [' not_a_claim']],
    ['a number that no double holds', '12345678901234567890', [' not_a_claim']],
    [
      'a list of anything else',
      '[1, null, [], "x", 12345678901234567890]',
      [0, 1, 2, 3, 4].map((line) => `/${line} not_a_line`),
    ],
    ['a list in a list', [[aLine()]], ['/0 not_a_line']],
    ['a line too many', Array.from({ length: 301 }, () => 0), [' too_many_lines']],
    ['two spellings', { ...aLine(), 'Provider NPI': '1234567893' }, ['/provider_npi duplicate_field']],
    ['a NUL', aLine({ plan_group_number: 'a\0b' }), ['/plan_group_number unstorable_text']],
    ['an unpaired surrogate', aLine({ quadrant: '\ud800' }), ['/quadrant unstorable_text']],
    ['a text too long', aLine({ quadrant: 'x'.repeat(251) }), ['/quadrant too_long']],
    ['a boolean', aLine({ subscriber_number: true }), ['/subscriber_number not_text']],
    ['an empty amount', aLine({ provider_fees: '' }), ['/provider_fees missing_field']],
    ['an amount too large', aLine({ provider_fees: '$10000000000000' }), ['/provider_fees invalid_amount']],
    ['half a cent', aLine({ provider_fees: 1.005 }), ['/provider_fees invalid_amount']],
    ['a negative number', aLine({ provider_fees: -5 }), ['/provider_fees negative_amount']],
    [
      'a negative zero, as text or number',
      `[${['"-0"', '-0', '-0.00'].map((nothing) => JSON.stringify(aLine({ provider_fees: 'X' })).replace('"X"', nothing)).join()}]`,
      [0, 1, 2].map((line) => `/${line}/provider_fees negative_amount`),
    ],
    ['a service in the far future', aLine({ service_date: '9999-12-31' }), ['/service_date invalid_service_date']],
    ['digits of another script', aLine({ provider_npi: '１２３４５６７８９０' }), ['/provider_npi invalid_npi']],
  ])('for %s', async (_, body, expected) => {
    expect(await biller.faultsOf(body)).toEqual(expected);
  });
});

describe('a body', () => {
  it.each([
    ['nothing', '', 'application/json', 400],
    ['half an object', '{', 'application/json', 400],
    ['a comma too many', '[{"a":1},]', 'application/json', 400],
    ['a deep nest of lists', `${'['.repeat(90_000)}12345678901234567890`, 'application/json', 422],
    ['an open quote', 'a,b\n"1,2\n', 'text/csv', 400],
    ['a header alone', 'service_date\n', 'text/csv', 422],
    ['plain text', 'x', 'text/plain', 415],
    ['a type named like an inherited property', '[]', 'constructor', 415],
    ['JSON in Latin 1', '[]', 'application/json; charset=latin1', 415],
    ['a row too long', `a,${'b'.repeat(70_000)}\n`, 'text/csv', 400],
    ['too many rows', 'a,b\n'.repeat(302), 'text/csv', 422],
    ['too many nested objects', `[${'{},'.repeat(5_000)}{}]`, 'application/json', 422],
    ['too many bytes', ' '.repeat(200_001), 'application/json', 413],
  ])('with %s is refused', async (_, body, type, status) => {
    const response = await biller.post(body, { 'Content-Type': type });

    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ status, code: expect.any(String) });
  });

  it('in invalid UTF-8 or an unknown encoding is refused', async () => {
    expect((await biller.post(new Uint8Array([0x5b, 0xff, 0x5d]))).status).toBe(400);
    expect((await biller.post('[]', { 'Content-Encoding': 'compress' })).status).toBe(415);
  });
});

describe('an external_claim_id', () => {
  it('lets a claim be sent again, in any spelling', async () => {
    const first = await biller.submit({ external_claim_id: ' A-1 ', lines: FOUR });

    const again = await biller.submit(table(FOUR.map((line) => ({ ...line, Claim: 1, 'External Claim ID': 'A-1' }))), {
      'Content-Type': 'text/csv',
    });

    expect(again).toMatchObject({ id: first.id, externalClaimId: 'A-1', netFee: '116.85' });
    expect((await biller.get('/claims')).items).toHaveLength(1);
    expect(await biller.top()).toEqual([{ providerNpi: '1234567893', netFee: '116.85', claims: 1 }]);
  });

  it('that another claim has is answered 409', async () => {
    await biller.submit({ externalClaimId: 5, lines: [aLine()] });

    const response = await biller.post({ externalClaimId: '5', lines: [aLine({ quadrant: 'UL' })] });

    expect(response.status).toBe(409);
    expect(await response.json()).toMatchObject({
      code: 'claim_conflict',
      errors: [{ pointer: '/external_claim_id' }],
    });
    expect(await biller.top()).toMatchObject([{ netFee: '55.00' }]);
    expect(await new Biller(server).submit({ externalClaimId: '5', lines: FOUR })).toMatchObject({ netFee: '116.85' });
  });

  it('makes one claim of many identical ones that are sent concurrently', async () => {
    const answers = await Promise.all(
      Array.from({ length: 12 }, () => biller.submit({ external_claim_id: 'same', lines: FOUR })),
    );

    expect(new Set(answers.map(({ id }) => id)).size).toBe(1);
    expect(await biller.top()).toMatchObject([{ netFee: '116.85', claims: 1 }]);
  });

  it('must be the same in the whole claim', async () => {
    const lines = [aLine({ external_claim_id: 'a' }), aLine(), aLine({ external_claim_id: 'b' })];

    expect(await biller.faultsOf(lines)).toEqual(['/2/external_claim_id conflicting_claim_id']);
    expect(await biller.faultsOf({ lines, external_claim_id: 'b' })).toEqual([
      '/lines/0/external_claim_id conflicting_claim_id',
    ]);
    expect(await biller.faultsOf(aLine({ external_claim_id: 'x'.repeat(251) }))).toEqual([
      '/external_claim_id id_too_long',
    ]);
    expect(await biller.submit(lines.slice(0, 2))).toMatchObject({ externalClaimId: 'a' });
  });
});

describe('an Idempotency-Key', () => {
  const keyed = (key: string) => ({ 'Idempotency-Key': key });

  // The header was ignored, so two requests made two claims.
  it('makes one claim of two with the same content', async () => {
    const { payment: _, ...first } = await biller.submit(FOUR, keyed('k'));

    expect(await biller.submit(table(FOUR), { ...keyed('k'), 'Content-Type': 'text/csv' })).toMatchObject(first);
    expect(await new Biller(server).submit(FOUR, keyed('k'))).not.toMatchObject({ id: first.id });
    expect(await biller.submit(FOUR, keyed('K'))).not.toMatchObject({ id: first.id });
    expect(await biller.top()).toMatchObject([{ netFee: '233.70', claims: 2 }]);
  });

  it('makes one claim of many identical ones that are sent concurrently', async () => {
    const body = { external_claim_id: 'same', lines: FOUR };
    const answers = await Promise.all(Array.from({ length: 12 }, () => biller.submit(body, keyed('k'))));

    expect(new Set(answers.map(({ id }) => id)).size).toBe(1);
    expect(await biller.top()).toMatchObject([{ netFee: '116.85', claims: 1 }]);
  });

  it('is refused for a claim with other lines or another external_claim_id', async () => {
    await biller.submit({ external_claim_id: 'a', lines: [aLine()] }, keyed('k'));

    for (const other of [
      { external_claim_id: 'a', lines: [aLine({ quadrant: 'UL' })] },
      { external_claim_id: 'b', lines: [aLine()] },
      [aLine()],
    ]) {
      const response = await biller.post(other, keyed('k'));
      expect(response.status).toBe(422);
      expect(await response.json()).toMatchObject({ code: 'idempotency_key_reused' });
    }
    expect(await biller.top()).toMatchObject([{ claims: 1 }]);
  });

  it('is not used up by a claim that is refused', async () => {
    await biller.submit({ external_claim_id: 'a', lines: [aLine()] });
    expect((await biller.post([], keyed('k'))).status).toBe(422);
    expect((await biller.post({ external_claim_id: 'a', lines: FOUR }, keyed('k'))).status).toBe(409);

    expect(await biller.submit(FOUR, keyed('k'))).toMatchObject({ netFee: '116.85' });
  });

  it('does not change the meaning of an external_claim_id', async () => {
    const claim = { external_claim_id: 'a', lines: [aLine()] };
    const { id } = await biller.submit(claim, keyed('one'));

    expect(await biller.submit(claim, keyed('two'))).toMatchObject({ id });
    expect(await biller.submit(claim)).toMatchObject({ id });
    expect((await biller.post({ ...claim, lines: FOUR }, keyed('two'))).status).toBe(409);
  });

  it('has 1 to 255 characters, and is sent once', async () => {
    for (const key of ['', 'k'.repeat(256)]) {
      const response = await biller.post(FOUR, keyed(key));
      expect(response.status).toBe(400);
      expect(await response.json()).toMatchObject({ code: 'invalid_idempotency_key' });
    }
    const headers = {
      'Content-Type': 'application/json',
      'X-Source': biller.source,
      'Idempotency-Key': ['one', 'two'],
    };
    const { status } = await rawRequest(server, 'POST', '/claims', { headers, body: [JSON.stringify(FOUR)] });
    expect(status).toBe(400);
    expect(await biller.submit(FOUR, keyed('k'.repeat(255)))).toMatchObject({ netFee: '116.85' });
    expect((await biller.get('/claims')).items).toHaveLength(1);
  });
});

describe('a Content-Digest', () => {
  const digestOf = (body: string | Uint8Array) => ({
    'Content-Digest': `sha-256=:${createHash('sha256').update(body).digest('base64')}:`,
  });

  // The header was ignored, so a body that had been changed on its way was stored.
  it('must match the bytes that are sent, or nothing is stored', async () => {
    const [text, other] = [JSON.stringify(FOUR), JSON.stringify([aLine()])];
    const zipped = gzipSync(text);

    for (const headers of [digestOf(other), { 'Content-Digest': 'x' }]) {
      const response = await biller.post(text, headers);
      expect(response.status).toBe(400);
      expect(await response.json()).toMatchObject({ errors: [{ parameter: 'Content-Digest' }] });
    }
    expect((await biller.get('/claims')).items).toEqual([]);
    expect(await biller.submit(text, digestOf(text))).toMatchObject({ netFee: '116.85' });
    expect(await biller.submit(zipped, { ...digestOf(zipped), 'Content-Encoding': 'gzip' })).toMatchObject({
      netFee: '116.85',
    });
  });
});

describe('the description of the API', () => {
  it('has an example of each form of a claim, which can be posted', async () => {
    const { paths } = await biller.get('/openapi.json');
    const examples = Object.values<any>(paths['/claims'].post.requestBody.content['application/json'].examples);

    for (const { value } of examples) expect(await biller.submit(value)).toMatchObject({ netFee: '110.00' });
    expect(examples).toHaveLength(3);
  });
});

describe('the list of claims', () => {
  it('is newest first, can be filtered by provider and payment status, and is paged by cursor and Link', async () => {
    const ids: string[] = [];
    for (let n = 0; n < 6; n += 1) {
      const lines = [aLine(), aLine({ provider_npi: n % 2 === 0 ? '1234567893' : '1245319599' })];
      ids.unshift((await biller.submit({ external_claim_id: `c${n}`, lines })).id);
    }
    const [newest] = ids;
    await server.query(
      `update payment_notification set status = 'failed', reason = 'too_large', attempts = 3, relayed_at = now() where claim_id = any($1)`,
      [ids.slice(1, 4)],
    );
    const seen = async (query: string) => {
      const found: string[] = [];
      let path: string | undefined = `/claims?limit=2${query}`;
      while (path !== undefined) {
        const response = await biller.fetch(path);
        const { items, nextCursor }: any = await response.json();
        found.push(...items.map(({ id }: { id: string }) => id));
        path = /^<([^>]+)>; rel="next"$/.exec(response.headers.get('link') ?? '')?.[1];
        expect(nextCursor !== null).toBe(path !== undefined);
      }
      return found;
    };

    expect(await seen('')).toEqual(ids);
    expect(await seen('&provider_npi=1245319599')).toEqual([ids[0], ids[2], ids[4]]);
    expect(await seen('&payment_status=failed')).toEqual(ids.slice(1, 4));
    expect(await seen('&payment_status=failed&provider_npi=1245319599')).toEqual([ids[2]]);
    expect(await seen('&provider_npi=0000000000')).toEqual([]);
    expect((await biller.get('/claims?limit=1')).items).toEqual([
      {
        id: newest,
        externalClaimId: 'c5',
        netFee: '110.00',
        lineCount: 2,
        created: INSTANT,
        payment: expect.anything(),
      },
    ]);
    expect((await biller.get(`/claims/${ids[1]}`)).payment).toEqual({
      status: 'failed',
      attempts: 3,
      reason: 'too_large',
      updated: INSTANT,
    });
  });

  it.each([
    'provider_npi=1',
    'provider_npi=',
    'payment_status=paid',
    'cursor=x',
    'limit=0',
    'x=1',
    'provider_npi=1234567893&provider_npi=1234567893',
  ])('refuses %s', async (query) => {
    const response = await biller.fetch(`/claims?${query}`);

    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ errors: [{ parameter: query.split('=')[0] }] });
  });

  it('and a claim of another source do not exist for this source', async () => {
    const { id } = await biller.submit(FOUR);
    const other = new Biller(server);

    for (const unknown of [id, randomUUID(), 'nonsense', '%00']) {
      expect((await other.fetch(`/claims/${unknown}`)).status).toBe(404);
    }
    expect(await other.get('/claims')).toEqual({ items: [], nextCursor: null });
    expect(await other.top()).toEqual([]);
    await other.submit(aLine());
    expect((await other.fetch(`/claims/${id}`)).status).toBe(404);
    expect(await other.top()).toMatchObject([{ netFee: '55.00', claims: 1 }]);
  });
});
