import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { aLine, Biller } from '../claims/biller.js';
import { aPatient, Sender } from '../http/sender.js';
import { startTestServer, type TestServer } from '../setup/test-server.js';

/** Text that programs often change, drop, normalize or split. */
const TEXTS: Record<string, string> = {
  'combining marks': 'Z\u0351\u036b\u0343a\u0300\u0301lgo',
  'a composed letter': 'Zo\u00eb',
  'the same letter decomposed': 'Zoe\u0308',
  'compatibility forms': '\ufb01 \u2126 \u212b \u00bd',
  'controls of direction': '\u202eRick\u202c \u2066Deckard\u2069 \u200f\u061c',
  'characters without width': 'a\u200bb\u200cc\u200dd\u2060e',
  'a byte order mark inside': 'a\ufeffb',
  'a byte order mark in front': '\ufeffa',
  'line and paragraph separators': 'a\u2028b\u2029c',
  'old line ends': 'a\u0085b\u000bc\u000cd',
  'line feeds, tabs and a carriage return': 'a\nb\tc\r\nd',
  'control characters': '\u0001\u0002\u001b[31m\u007f\u009b',
  'a family': '\u{1f468}\u200d\u{1f469}\u200d\u{1f467}\u200d\u{1f466}',
  'flags and keycaps': '\u{1f1e9}\u{1f1ea} \u{1f3f4}\u{e0067}\u{e0062}\u{e007f} 7\ufe0f\u20e3',
  'a skin tone and variations': '\u{1f44d}\u{1f3fd} \u2764\ufe0f \u2764\ufe0e',
  noncharacters: '\ufdd0\ufffe\uffff\u{1fffe}\u{10ffff}',
  'private use': '\ue000\u{f0000}\u{10fffd}',
  'the replacement character': 'a\ufffdb',
  'what SQL, CSV, JSON and HTML quote': `'"\`\\,;<>&{}[]%_$1 ?? :a`,
  'what COPY escapes': '\\N \\. \\t \\\\ a\\',
  'letters of many scripts': 'Ƶażółć Ψυχή Ёлка שָׁלוֹם مرحبا हिन्दी 漢字 한국어 ไทย ꦗꦮ 𐎀𐎁 𓀀',
  'letters whose case mapping is longer': 'İıßẞŉǰΐ',
  'blanks of all kinds': ' \u00a0\u2003\u3000 ',
};

/** Characters from the start, the middle and the end of each of the 17 planes, without surrogates. */
const PLANES = Array.from({ length: 17 }, (_, plane) =>
  [0x0001, 0x0100, 0x1234, 0x7fff, 0xd7ff, 0xe000, 0xfffd, 0xffff].map((place) => plane * 0x10000 + place),
);
for (const [plane, points] of PLANES.entries()) TEXTS[`plane ${plane}`] = String.fromCodePoint(...points);

const NAMES = Object.values(TEXTS);

/** Every text as an id and as a name. */
const RECORDS = NAMES.map((text) => aPatient({ externalId: text, firstName: text, lastName: text }));

const escapeAll = (json: string) =>
  json.replace(/[^\x20-\x7e]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
const quoted = (cell: unknown) => `"${String(cell).replaceAll('"', '""')}"`;
const FIELDS = ['externalId', 'firstName', 'lastName'] as const;

const BODIES: [what: string, contentType: string, body: string][] = [
  ['JSON', 'application/json', JSON.stringify(RECORDS)],
  ['JSON with escapes only', 'application/json', escapeAll(JSON.stringify(RECORDS))],
  ['NDJSON', 'application/x-ndjson', RECORDS.map((record) => `${JSON.stringify(record)}\n`).join('')],
  [
    'CSV',
    'text/csv',
    [FIELDS.join(','), ...RECORDS.map((record) => FIELDS.map((name) => quoted(record[name])).join(','))].join('\n'),
  ],
];

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer();
});

afterAll(() => server.close());

describe.each(BODIES)('text of every plane as %s', (_what, contentType, body) => {
  let from: Sender;
  let jobId: string;

  beforeAll(async () => {
    from = new Sender(server);
    const job = await from.mirror('/patients', body, { 'Content-Type': contentType });
    expect(job).toMatchObject({ status: 'completed', counts: { created: RECORDS.length, rejected: 0 } });
    jobId = job.id;
  });

  it('is listed unchanged, in the order of code points', async () => {
    const { items } = await from.get('/patients?limit=1000');

    const names = items.map(({ firstName }: { firstName: string }) => firstName);
    expect(names.toSorted()).toEqual(NAMES.toSorted());
    const bytes = items.map(({ externalId }: { externalId: string }) => Buffer.from(externalId).toString('hex'));
    expect(bytes).toEqual(bytes.toSorted());
    for (const { externalId, firstName } of items) expect(firstName).toBe(externalId);
  });

  it('is found by its id in a path and by its prefix in a query', async () => {
    for (const text of NAMES) {
      const patient = await from.get(`/patients/${encodeURIComponent(text)}`);
      expect(patient.externalId).toBe(text);
      const { items } = await from.get(`/patients?limit=1000&q=${encodeURIComponent(text)}`);
      expect(items.map(({ externalId }: { externalId: string }) => externalId)).toContain(text);
    }
  });

  it('is unchanged in the feed, in the changes of the job and in the history', async () => {
    const { items } = await from.get('/changes?limit=1000');
    const listed = items.map(({ after }: { after: { firstName: string } }) => after.firstName);
    expect(listed.toSorted()).toEqual(NAMES.toSorted());
    const lines = await (
      await from.fetch(`/sync/jobs/${jobId}/changes`, { headers: { Accept: 'application/x-ndjson' } })
    ).text();
    const parsed = lines
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { externalId: string });
    expect(parsed.map(({ externalId }) => externalId).toSorted()).toEqual(NAMES.toSorted());
    for (const text of NAMES) {
      const history = await from.get(`/patients/${encodeURIComponent(text)}/history`);
      expect(history.items).toMatchObject([{ after: { firstName: text } }]);
    }
  });

  it('is byte for byte the same in the stored snapshot', async () => {
    const kept = Buffer.from(await (await from.fetch(`/sync/jobs/${jobId}/snapshot`)).arrayBuffer());

    expect(kept.equals(Buffer.from(body))).toBe(true);
  });

  it('is reported unchanged when it is rejected', async () => {
    const bad = new Sender(server);
    const broken = RECORDS.map((record) => ({ ...record, lastName: undefined, dateOfBirth: '1066-10-14' }));
    const { links } = await bad.mirror('/patients', broken);

    const reported = (await bad.get(`${links.errors}?limit=1000`)).items;

    expect(reported.map(({ data }: { data: { firstName: string } }) => data.firstName)).toEqual(NAMES);
    expect(reported.map(({ externalId }: { externalId: string }) => externalId)).toEqual(NAMES);
    const lines = await (await bad.fetch(links.errors, { headers: { Accept: 'application/x-ndjson' } })).text();
    const parsed = lines
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { externalId: string });
    expect(parsed.map(({ externalId }) => externalId)).toEqual(NAMES);
  });
});

describe('text that looks the same', () => {
  it('is a different id and name in another normal form', async () => {
    const from = new Sender(server);
    const forms = ['Zo\u00eb', 'Zoe\u0308', 'Zoe', 'ZO\u00cb', 'Zo\u00eb ', 'Zo\u0435\u0308'];

    const job = await from.mirror(
      '/patients',
      forms.map((text) => aPatient({ externalId: text, firstName: text })),
    );

    expect(job.counts).toMatchObject({ created: forms.length });
    for (const text of forms) {
      expect((await from.get(`/patients/${encodeURIComponent(text)}`)).firstName).toBe(text);
    }
  });

  it('is a change when its normal form changes', async () => {
    const from = new Sender(server);
    await from.mirror('/patients', [aPatient({ firstName: 'Zo\u00eb' })]);

    expect((await from.mirror('/patients', [aPatient({ firstName: 'Zoe\u0308' })])).counts).toMatchObject({
      updated: 1,
    });
  });
});

describe('text of every plane in a claim', () => {
  // Values are trimmed.
  const texts = NAMES.filter((text) => text.trim() !== '');
  const lines = texts.map((text) => aLine({ plan_group_number: text, subscriber_number: text, quadrant: text }));
  const fields = Object.keys(aLine());
  const table = [fields.join(','), ...lines.map((line) => fields.map((name) => quoted(line[name])).join(','))].join(
    '\n',
  );

  it.each([
    ['JSON', 'application/json', JSON.stringify(lines)],
    ['JSON with escapes only', 'application/json', escapeAll(JSON.stringify(lines))],
    ['CSV', 'text/csv', table],
  ])('is stored unchanged from %s', async (_, contentType, body) => {
    const from = new Biller(server);
    const { id } = await from.submit(body, { 'Content-Type': contentType });

    const stored = (await from.get(`/claims/${id}`)).lines;

    for (const field of ['planGroupNumber', 'subscriberNumber', 'quadrant']) {
      expect(stored.map((line: Record<string, string>) => line[field])).toEqual(texts.map((text) => text.trim()));
    }
  });

  it('can be its external id', async () => {
    const from = new Biller(server);
    const ids: string[] = [];
    for (const text of texts) ids.push((await from.submit({ external_claim_id: text, lines: [aLine()] })).id);

    expect(new Set(ids).size).toBe(new Set(texts.map((text) => text.trim())).size);
    const { items } = await from.get('/claims?limit=1000');
    const listed = items.map(({ externalClaimId }: { externalClaimId: string }) => externalClaimId);
    expect(listed.toReversed()).toEqual(texts.map((text) => text.trim()));
  });
});

describe('an unpaired surrogate or a NUL', () => {
  it.each(['\\ud800', '\\udc00', 'a\\udbffb', '\\udc00\\ud800', '\\u0000'])(
    '%s makes only its record invalid',
    async (text) => {
      const from = new Sender(server);

      const job = await from.mirror(
        '/patients',
        `[{"externalId":"1","firstName":"${text}","lastName":"x"},{"externalId":"2","firstName":"a","lastName":"b"}]`,
      );

      expect(job.counts).toMatchObject({ created: 1, rejected: 1 });
      const reported = await from.get(job.links.errors);
      expect(reported.items).toMatchObject([
        { index: 0, externalId: '1', errors: { firstName: [expect.any(String)] } },
      ]);
    },
  );
});

describe('a compressed body', () => {
  it('is digested as it was sent, still compressed', async () => {
    const from = new Sender(server);
    const body = gzipSync(JSON.stringify(RECORDS));

    const job = await from.mirror('/patients', body, { 'Content-Encoding': 'gzip' });

    expect(job.snapshot).toMatchObject({ sha256: createHash('sha256').update(body).digest('hex'), bytes: body.length });
    expect(job.counts.created).toBe(RECORDS.length);
  });
});
