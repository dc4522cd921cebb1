import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createHash, randomBytes } from 'node:crypto';
import { brotliCompressSync, constants, gunzipSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { startTestServer, type TestServer, until } from '../setup/test-server.js';
import { openRequest, rawRequest } from './raw-http.js';
import { aPatient, Sender, somePatients } from './sender.js';

const JSON_TYPE = { 'Content-Type': 'application/json' };
const COMPRESSED = {
  gzip: (bytes: string | Buffer) => gzipSync(bytes),
  br: (bytes: string | Buffer) => brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 5 } }),
  // Without a checksum zstd cannot detect most damage.
  zstd: (bytes: string | Buffer) => zstdCompressSync(bytes, { params: { [constants.ZSTD_c_checksumFlag]: 1 } }),
};
const ENCODINGS = Object.keys(COMPRESSED) as (keyof typeof COMPRESSED)[];

/** The body limit of the server with a small limit. */
const LIMIT = 100_000;

let server: TestServer;
let small: TestServer;

beforeAll(async () => {
  server = await startTestServer();
  small = await startTestServer({ MAX_BODY_BYTES: LIMIT });
});

afterAll(async () => {
  await server.close();
  await small.close();
});

const sender = () => new Sender(server);

/** The problem in the answer to a request that must store neither a job nor bytes. */
async function refused(from: Sender, answer: Response | Promise<Response>) {
  const response = await answer;
  const problem: any = await response.json();
  expect(response.headers.get('content-type')).toMatch(/^application\/problem\+json/);
  expect(problem).toMatchObject({ status: response.status, detail: expect.any(String), title: expect.any(String) });
  expect(await from.jobs()).toEqual([]);
  expect(await from.storedSnapshots()).toBe(0);
  return { ...problem, headers: response.headers };
}

describe('the content type', () => {
  const rick = aPatient({ externalId: '5' });
  const roy = aPatient({ externalId: '8' });

  it.each([
    ['application/json', JSON.stringify([rick, roy])],
    ['application/json; charset=utf-8', JSON.stringify([rick, roy])],
    ['Application/JSON;Charset="UTF-8"', JSON.stringify([rick, roy])],
    ['application/x-ndjson', `${JSON.stringify(rick)}\n\n${JSON.stringify(roy)}`],
    ['application/x-ndjson;charset=utf-8', `${JSON.stringify(rick)}\r\n${JSON.stringify(roy)}\r\n`],
    ['text/csv', 'externalId,firstName,lastName\n5,Rick,Deckard\n8,"Roy ""B"", Jr",Batti\n'],
    ['text/csv; charset=UTF-8; header=present', 'external_id,first_name,last_name\r\n5,Rick,Deckard\r\n8,Roy,Batti'],
  ])('%s is accepted', async (contentType, body) => {
    const from = sender();

    const job = await from.mirror('/patients', body, { 'Content-Type': contentType });

    expect(job).toMatchObject({ status: 'completed', counts: { received: 2, created: 2 }, snapshot: { contentType } });
    expect(await from.patientIds()).toEqual(['5', '8']);
  });

  it('a single JSON object is a snapshot of one record', async () => {
    const from = sender();

    expect(await from.mirror('/patients', rick)).toMatchObject({ status: 'completed', counts: { received: 1 } });
    expect(await from.patientIds()).toEqual(['5']);
  });

  it.each([
    'text/plain',
    'application/xml',
    'application/json; charset=latin1',
    'application/problem+json',
    'application/jsonx',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'text/csv; charset=utf-16',
    '',
  ])('"%s" is a 415', async (contentType) => {
    const from = sender();

    const answer = await refused(from, from.post('/patients', [rick], { 'Content-Type': contentType }));

    expect(answer.status).toBe(415);
  });

  it('without one the answer is a 415', async () => {
    const from = sender();

    const { status } = await rawRequest(server, 'POST', '/patients', {
      headers: { 'X-Source': from.source },
      body: ['[]'],
    });

    expect(status).toBe(415);
    expect(await from.jobs()).toEqual([]);
  });
});

describe('the content encoding', () => {
  const text = JSON.stringify(somePatients(3));

  it.each(ENCODINGS)('%s is inflated', async (encoding) => {
    const from = sender();

    const job = await from.mirror('/patients', COMPRESSED[encoding](text), { 'Content-Encoding': encoding });

    expect(job).toMatchObject({ status: 'completed', counts: { received: 3, created: 3 } });
  });

  it.each(['identity', 'GZIP', ' gzip '])('"%s" is understood', async (encoding) => {
    const body = encoding === 'identity' ? text : gzipSync(text);

    const job = await sender().mirror('/patients', body, { 'Content-Encoding': encoding });

    expect(job).toMatchObject({ status: 'completed', counts: { received: 3 } });
  });

  it.each(['gzip', 'zstd'] as const)('a %s body of several parts is read to its end', async (encoding) => {
    const large = JSON.stringify(somePatients(5000));
    const cuts = [0, 50, 60_000, 300_000, large.length];
    const parts = cuts.slice(1).map((end, index) => COMPRESSED[encoding](large.slice(cuts[index], end)));

    const job = await sender().mirror('/patients', Buffer.concat(parts), { 'Content-Encoding': encoding });

    expect(job).toMatchObject({ status: 'completed', counts: { received: 5000, created: 5000 } });
  });

  it.each(['deflate', 'compress', 'gzip, br', 'gzip,gzip', 'snappy', '*'])('"%s" is a 415', async (encoding) => {
    const from = sender();

    const answer = await refused(from, from.post('/patients', gzipSync(text), { 'Content-Encoding': encoding }));

    expect(answer.status).toBe(415);
  });

  describe.each(ENCODINGS)('a %s body', (encoding) => {
    const sound = COMPRESSED[encoding](JSON.stringify(somePatients(2000).map((one) => ({ ...one, x: Math.random() }))));
    const corrupt = Buffer.from(sound);
    corrupt.fill(0x55, 1000, 1100);

    it.each([
      ['that is none', Buffer.from(text)],
      ['that is corrupt', corrupt],
      ['that is cut short', sound.subarray(0, -5)],
      ['that is cut in its middle', sound.subarray(0, sound.length / 2)],
      ['that is cut within its first bytes', sound.subarray(0, 3)],
      ['that holds nothing', COMPRESSED[encoding]('')],
      ['without a byte', Buffer.alloc(0)],
      ['with something else behind it', Buffer.concat([sound, Buffer.from('something else')])],
      ['with megabytes of something else behind it', Buffer.concat([sound, randomBytes(3_000_000)])],
    ])('%s is a 400 and nothing is stored', async (_what, body) => {
      const from = sender();

      const answer = await refused(from, from.post('/patients', body, { 'Content-Encoding': encoding }));

      expect(answer.status).toBe(400);
    });
  });
});

describe('a body beyond the limit', () => {
  const from = () => new Sender(small);
  const beyond = `[${' '.repeat(LIMIT)}]`;

  it('is a 413 because of its Content-Length', async () => {
    const one = from();

    expect(await refused(one, one.post('/patients', beyond))).toMatchObject({ status: 413, code: 'body_too_large' });
  });

  it.each([1, 50])('is a 413 without an announced length, %i times over', async (times) => {
    const one = from();
    const body = ['[', ...Array.from({ length: times }, () => ' '.repeat(LIMIT))];

    const { status, headers } = await rawRequest(small, 'POST', '/patients', {
      headers: { ...JSON_TYPE, 'X-Source': one.source },
      body,
    });

    expect({ status, type: headers['content-type'] }).toEqual({
      status: 413,
      type: expect.stringMatching(/^application\/problem\+json/),
    });
    expect(await one.jobs()).toEqual([]);
    expect(await one.storedSnapshots()).toBe(0);
  });

  it.each(ENCODINGS)('is a 413 when %s made it small', async (encoding) => {
    const one = from();
    const bomb = COMPRESSED[encoding](`[${' '.repeat(20_000_000)}]`);

    const answer = await refused(one, one.post('/patients', bomb, { 'Content-Encoding': encoding }));

    expect(answer).toMatchObject({ status: 413 });
  });

  it('is a 413 from the first byte above it', async () => {
    const body = JSON.stringify([aPatient()]).padEnd(LIMIT);

    expect(await from().mirror('/patients', body)).toMatchObject({ status: 'completed', counts: { received: 1 } });
    expect((await from().post('/patients', `${body} `)).status).toBe(413);
  });

  it('leaves the connection and the server usable', async () => {
    for (let i = 0; i < 5; i++) await from().post('/patients', beyond);

    expect(await from().mirror('/patients', [aPatient()])).toMatchObject({ status: 'completed' });
  });
});

describe('the kept bytes', () => {
  // Large enough for several stored chunks, also when compressed.
  const patients = Array.from({ length: 30_000 }, (_, index) =>
    aPatient({ externalId: String(index), firstName: randomBytes(40).toString('hex'), lastName: 'Straße 東京 🦄' }),
  );
  const text = JSON.stringify(patients);

  it.each(['identity', ...ENCODINGS] as const)(
    'of a body of several megabytes are returned as they were sent: %s',
    async (encoding) => {
      const from = sender();
      const body = encoding === 'identity' ? Buffer.from(text) : COMPRESSED[encoding](text);
      const encodings: Record<string, string> = encoding === 'identity' ? {} : { 'Content-Encoding': encoding };

      const job = await from.mirror('/patients', body, encodings);
      const kept = await rawRequest(server, 'GET', String(job.links.snapshot), {
        headers: { 'X-Source': from.source },
      });

      expect(job).toMatchObject({ status: 'completed', counts: { received: 30_000, created: 30_000 } });
      expect(job.snapshot).toMatchObject({ bytes: body.length, sha256: sha256(body).toString('hex') });
      expect(body.length).toBeGreaterThan(1024 ** 2);
      expect(kept.body.equals(body)).toBe(true);
      expect(kept.headers['content-encoding']).toBe(encoding === 'identity' ? undefined : encoding);
      expect(kept.headers['content-type']).toBe('application/json');
    },
  );

  it('of a small body are returned with the content type that they were sent with', async () => {
    const from = sender();
    const body = gzipSync('externalId,firstName,lastName\n5,Rick,Deckard\n');
    const contentType = 'text/csv; charset=utf-8; header=present';

    const job = await from.mirror('/patients', body, { 'Content-Type': contentType, 'Content-Encoding': 'gzip' });
    const kept = await rawRequest(server, 'GET', String(job.links.snapshot), { headers: { 'X-Source': from.source } });

    expect(kept.body.equals(body)).toBe(true);
    expect(gunzipSync(kept.body).toString()).toContain('Deckard');
    expect(kept.headers['content-type']).toBe(contentType);
  });

  it('of a snapshot that failed are kept too', async () => {
    const from = sender();

    const job = await from.mirror('/patients', '[{"externalId":"1"');

    expect(job.status).toBe('failed');
    expect(await (await from.fetch(String(job.links.snapshot))).text()).toBe('[{"externalId":"1"');
  });
});

describe('Content-Digest', () => {
  const text = JSON.stringify([aPatient()]);
  const right = `sha-256=:${sha256(text).toString('base64')}:`;
  const wrong = `sha-256=:${sha256('other').toString('base64')}:`;

  it.each([
    ['that matches', right],
    ['of several algorithms', `sha-512=:AAAA:, ${right}`],
    ['of other algorithms only', 'sha-512=:AAAA:'],
  ])('%s is accepted', async (_what, digest) => {
    expect(await sender().mirror('/patients', text, { 'Content-Digest': digest })).toMatchObject({
      status: 'completed',
    });
  });

  it.each([
    ['that does not match', wrong],
    ['that does not match among others', `sha-512=:AAAA:, ${wrong}`],
    ['of no length', 'sha-256=::'],
    ['in hexadecimal', `sha-256=${sha256(text).toString('hex')}`],
    ['that is malformed', 'nonsense'],
    ['that is empty', ''],
  ])('%s is a 400 and nothing is stored', async (_what, digest) => {
    const from = sender();

    const answer = await refused(from, from.post('/patients', text, { 'Content-Digest': digest }));

    expect(answer).toMatchObject({ status: 400, errors: [{ parameter: 'Content-Digest' }] });
  });

  it('is that of the body as sent, not of what it inflates to', async () => {
    const body = gzipSync(text);
    const digest = `sha-256=:${sha256(body).toString('base64')}:`;
    const encoded = { 'Content-Encoding': 'gzip' };

    const job = await sender().mirror('/patients', body, { ...encoded, 'Content-Digest': digest });

    expect(job.status).toBe('completed');
    expect((await sender().post('/patients', body, { ...encoded, 'Content-Digest': right })).status).toBe(400);
  });

  it('that does not match stores nothing of a body of several megabytes', async () => {
    const from = sender();
    const body = `[${' '.repeat(5_000_000)}]`;

    const answer = await refused(from, from.post('/patients', body, { 'Content-Digest': wrong }));

    expect(answer.status).toBe(400);
  });
});

describe('Idempotency-Key', () => {
  const key = { 'Idempotency-Key': 'a key' };

  it('answers the same request with the same job', async () => {
    const from = sender();
    const first = await from.mirror('/patients', [aPatient()], key);

    const again = await from.post('/patients', [aPatient()], key);

    expect(again.status).toBe(202);
    expect(again.headers.get('location')).toBe(`/sync/jobs/${first.id}`);
    expect(await again.json()).toMatchObject({ id: first.id, status: 'completed' });
    expect(await from.jobs()).toHaveLength(1);
    expect(await from.storedSnapshots()).toBe(1);
  });

  it('stores nothing of a repeated body of several megabytes', async () => {
    const from = sender();
    const body = JSON.stringify(somePatients(2)).padEnd(3_000_000);
    const first = await from.mirror('/patients', body, key);

    expect((await from.mirror('/patients', body, key)).id).toBe(first.id);
    expect(await from.storedSnapshots()).toBe(1);
  });

  it.each([
    ['another body', '/patients', [aPatient({ firstName: 'Roy' })]],
    ['another query', '/patients?mode=partial', [aPatient()]],
    ['another policy', '/patients?deletes=hold', [aPatient()]],
    ['a dry run', '/patients?dryRun=true', [aPatient()]],
    ['another resource', '/payments', [aPatient()]],
  ])('is a 422 for %s', async (_what, path, body) => {
    const from = sender();
    await from.mirror('/patients', [aPatient()], key);

    const response = await from.post(path, body, key);

    expect({ status: response.status, problem: await response.json() }).toMatchObject({
      status: 422,
      problem: { code: 'idempotency_key_reused' },
    });
    expect(await from.jobs()).toHaveLength(1);
    expect(await from.storedSnapshots()).toBe(1);
  });

  it('treats a query that spells out the defaults as the same', async () => {
    const from = sender();
    const { id } = await from.mirror('/patients', [aPatient()], key);

    expect((await from.mirror('/patients?mode=full&deletes=auto&dryRun=false', [aPatient()], key)).id).toBe(id);
  });

  // Node joins them to `one, two`, which used to be accepted as a key.
  it('that is sent twice stores nothing', async () => {
    const from = sender();
    const headers = { ...JSON_TYPE, 'X-Source': from.source, 'Idempotency-Key': ['one', 'two'] };

    const answer = await rawRequest(server, 'POST', '/patients', { headers, body: ['[]'] });

    expect(JSON.parse(answer.body.toString())).toMatchObject({ status: 400, code: 'invalid_idempotency_key' });
    expect(await from.storedSnapshots()).toBe(0);
  });

  it('may have 1 to 255 characters', async () => {
    const from = sender();
    const post = (length: number) => from.post('/patients', [aPatient()], { 'Idempotency-Key': 'k'.repeat(length) });

    expect((await post(256)).status).toBe(400);
    expect((await post(0)).status).toBe(400);
    expect(await from.jobs()).toEqual([]);
    expect((await post(255)).status).toBe(202);
  });

  it('makes one job of concurrent requests', async () => {
    const from = sender();

    const answers = await Promise.all(Array.from({ length: 8 }, () => from.post('/patients', [aPatient()], key)));

    expect(answers.map(({ status }) => status)).toEqual(Array(8).fill(202));
    const ids = await Promise.all(answers.map(async (answer) => ((await answer.json()) as { id: string }).id));
    expect(new Set(ids).size).toBe(1);
    expect(await from.jobs()).toHaveLength(1);
    expect(await from.storedSnapshots()).toBe(1);
  });

  it('belongs to its source only', async () => {
    const [one, other] = [sender(), sender()];

    const first = await one.mirror('/patients', [aPatient()], key);
    const second = await other.mirror('/patients', [aPatient({ firstName: 'Roy' })], key);

    expect(second.id).not.toBe(first.id);
    expect(second.status).toBe('completed');
  });

  it('of a refused request can be used again', async () => {
    const from = sender();

    expect((await from.post('/patients', 'nonsense', key)).status).toBe(400);
    expect(await from.mirror('/patients', [aPatient()], key)).toMatchObject({ status: 'completed' });
  });
});

describe('Prefer: wait', () => {
  /** A source with a job that waits for approval; partial jobs wait until it is decided. */
  let blocked: Sender;

  beforeAll(async () => {
    blocked = sender();
    await blocked.mirror('/patients', somePatients(2));
    await blocked.mirror('/patients?deletes=hold', somePatients(1));
  });

  it('answers 200 with the finished job', async () => {
    const response = await sender().post('/patients', [aPatient()], { Prefer: 'wait=20' });

    expect(response.status).toBe(200);
    expect(response.headers.get('location')).toMatch(/^\/sync\/jobs\//);
    expect(await response.json()).toMatchObject({ status: 'completed', finishedAt: expect.any(String) });
  });

  it('answers 200 with a failed job too', async () => {
    const response = await sender().post('/patients', '[{]', { Prefer: 'wait=20' });

    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ status: 'failed', error: { code: 'malformed_json' } });
  });

  it('answers 202 when the job has not ended in time', async () => {
    const begun = Date.now();

    const response = await blocked.post('/patients?mode=partial', [aPatient()], { Prefer: 'wait=1' });

    expect(response.status).toBe(202);
    expect(response.headers.get('retry-after')).toBe('1');
    expect(Date.now() - begun).toBeGreaterThanOrEqual(950);
    // Much longer than requested, much shorter than without a limit.
    expect(Date.now() - begun).toBeLessThan(20_000);
    expect(await response.json()).toMatchObject({ status: 'queued', finishedAt: null });
  });

  it('answers 202 at once for a job that waits for approval', async () => {
    const from = sender();
    await from.mirror('/patients', somePatients(2));
    const begun = Date.now();

    const response = await from.post('/patients?deletes=hold', somePatients(1), { Prefer: 'wait=30' });

    expect(response.status).toBe(202);
    expect(await response.json()).toMatchObject({ status: 'awaiting_approval' });
    expect(Date.now() - begun).toBeLessThan(25_000);
  });

  it.each([
    ['wait=31', 'wait=30'],
    ['wait=999999999', 'wait=30'],
    ['respond-async, wait=7', 'wait=7'],
    ['Wait="7"; x=y', 'wait=7'],
  ])('%s is read as %s', async (prefer, applied) => {
    const response = await sender().post('/patients', [aPatient()], { Prefer: prefer });

    expect(response.status).toBe(200);
    expect(response.headers.get('preference-applied')).toBe(applied);
  });

  it.each(['wait=abc', 'wait=-5', 'wait=', 'wait', 'wait=0', 'waiting=9', 'return=minimal'])(
    '%s does not wait',
    async (prefer) => {
      const response = await blocked.post('/patients?mode=partial', [aPatient()], { Prefer: prefer });

      expect(response.status).toBe(202);
      expect(response.headers.get('preference-applied')).toBeNull();
    },
  );
});

describe('the query', () => {
  it.each([
    ['mode=full', { mode: 'full' }],
    ['mode=partial', { mode: 'partial' }],
    ['deletes=auto', { mode: 'full' }],
    ['deletes=apply&dryRun=false', { dryRun: false }],
    ['deletes=hold&mode=partial&dryRun=true', { mode: 'partial', dryRun: true }],
  ])('%s is accepted', async (query, job) => {
    const response = await sender().post(`/patients?${query}`, [aPatient()]);

    expect(response.status).toBe(202);
    expect(await response.json()).toMatchObject(job);
  });

  it.each([
    ['mode=Full', 'mode'],
    ['mode=', 'mode'],
    ['mode=full&mode=full', 'mode'],
    ['mode[]=full', 'mode[]'],
    ['deletes=never', 'deletes'],
    ['deletes=auto&deletes=apply', 'deletes'],
    ['dryRun=1', 'dryRun'],
    ['dryRun=', 'dryRun'],
    ['dryRun=TRUE', 'dryRun'],
    ['dryrun=true', 'dryrun'],
    ['dry_run=true', 'dry_run'],
    ['limit=5', 'limit'],
    ['__proto__=x', '__proto__'],
    ['constructor=x', 'constructor'],
    ['prototype', 'prototype'],
    ['toString=x', 'toString'],
  ])('%s is a 400 that names the parameter', async (query, parameter) => {
    const from = sender();

    const answer = await refused(from, from.post(`/patients?${query}`, [aPatient()]));

    expect(answer).toMatchObject({ status: 400, errors: [{ parameter, code: expect.any(String) }] });
  });

  it('with two faults gets both reported', async () => {
    const answer = await sender().post('/payments?mode=x&foo=1', []);

    const { errors } = (await answer.json()) as any;
    expect(errors.map((error: { parameter: string }) => error.parameter).toSorted()).toEqual(['foo', 'mode']);
  });
});

describe('the answer', () => {
  it('is a 202 with Location, Retry-After and the job', async () => {
    const from = sender();

    const response = await from.post('/patients', [aPatient()]);
    const job: any = await response.json();

    expect(response.status).toBe(202);
    expect(response.headers.get('location')).toBe(`/sync/jobs/${job.id}`);
    expect(response.headers.get('retry-after')).toBe('1');
    expect(response.headers.get('content-type')).toMatch(/^application\/json/);
    expect(job).toMatchObject({
      source: from.source,
      resource: 'patients',
      status: 'queued',
      links: { self: `/sync/jobs/${job.id}` },
    });
    expect((await from.settled(job.id)).status).toBe('completed');
  });

  it.each([' ', 'a b', 'ü', '-x', 'x'.repeat(64), '../x'])('refuses the source "%s"', async (name) => {
    const response = await server.submit('/patients', [], { 'X-Source': encodeURI(name) === name ? name : 'ü' });

    expect([400, 202]).toContain(response.status);
    if (name.trim() !== '') expect(response.status).toBe(400);
  });
});

describe('a body that cannot be a snapshot', () => {
  it.each([
    ['nothing', 'application/json', ''],
    ['white space', 'application/json', ' \n\t\r '],
    ['much white space', 'application/json', ' '.repeat(2_000_000)],
    ['a byte order mark', 'application/json', '\ufeff'],
    ['a byte order mark and white space', 'application/json', '\ufeff \n'],
    ['a string', 'application/json', '"abc"'],
    ['a number', 'application/json', '12'],
    ['null', 'application/json', 'null'],
    ['a page', 'application/json', '<html>'],
    ['a page of megabytes', 'application/json', `<html>${'x'.repeat(5_000_000)}`],
    ['nothing', 'application/x-ndjson', ''],
    ['blank lines', 'application/x-ndjson', '\n\n\r\n'],
    ['an array', 'application/x-ndjson', '[]'],
    ['a string', 'application/x-ndjson', '"abc"'],
    ['nothing', 'text/csv', ''],
    ['blank lines', 'text/csv', '\n\n'],
    ['a NUL', 'text/csv', '\0a,b'],
  ])('%s as %s is a 400 and leaves no job', async (_what, contentType, body) => {
    const from = sender();

    const answer = await refused(from, from.post('/patients', body, { 'Content-Type': contentType }));

    expect(answer.status).toBe(400);
  });

  it('is refused although it is sent chunked and has not ended', async () => {
    const { status } = await rawRequest(server, 'POST', '/patients', {
      headers: JSON_TYPE,
      body: ['<', ...Array.from({ length: 100 }, () => 'x'.repeat(100_000))],
    });

    expect(status).toBe(400);
  });

  it('an empty list is a snapshot, with a byte order mark or without', async () => {
    expect(await sender().mirror('/patients', '[]')).toMatchObject({ status: 'completed', counts: { received: 0 } });
    expect(await sender().mirror('/patients', '\ufeff []\n')).toMatchObject({ status: 'completed' });
    const table = { 'Content-Type': 'text/csv' };
    expect(await sender().mirror('/patients', 'externalId,firstName\n', table)).toMatchObject({ status: 'completed' });
  });
});

describe('a fault after the beginning', () => {
  const record = JSON.stringify(aPatient({ externalId: '1', firstName: 'Changed' }));
  const json = 'application/json';
  const ndjson = 'application/x-ndjson';
  const csv = 'text/csv';
  const invalidUtf8 = Buffer.concat([
    Buffer.from(`[${record},\n{"externalId":"`),
    Buffer.of(0xc3, 0x28),
    Buffer.from('"}]'),
  ]);
  let from: Sender;
  let before: unknown;

  beforeAll(async () => {
    from = sender();
    await from.mirror('/patients', somePatients(3));
    before = await from.get('/patients');
  });

  it.each([
    ['malformed', json, `[${record},\n{"a" 1}]`, { code: 'malformed_json', line: 2, record: 1 }],
    ['truncated', json, `[${record},\n{"a":`, { code: 'truncated', line: 2, record: 1 }],
    ['truncated between two records', json, `[${record},`, { code: 'truncated', line: 1 }],
    ['trailing', json, `[${record}]\nx`, { code: 'trailing_data', line: 2 }],
    ['two documents', json, `[${record}]\n[${record}]`, { code: 'trailing_data', line: 2 }],
    ['two objects', json, `${record}\n${record}`, { code: 'trailing_data', line: 2 }],
    [
      'invalid UTF-8',
      json,
      invalidUtf8,
      { code: 'invalid_utf8', line: 2, record: 1, byteOffset: invalidUtf8.indexOf(0xc3) },
    ],
    ['nested too deep', json, `[${record},\n${'['.repeat(100_000)}`, { code: 'nesting_too_deep', line: 2, record: 1 }],
    [
      'nested too deep and closed',
      json,
      `[${record},\n${'['.repeat(100_000)}${']'.repeat(100_000)}]`,
      { code: 'nesting_too_deep', line: 2, record: 1 },
    ],
    [
      'nested objects',
      json,
      `[${record},\n${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}]`,
      { code: 'nesting_too_deep', line: 2, record: 1 },
    ],
    [
      'a record of 2 MB',
      json,
      `[${record},\n{"externalId":"2","x":"${'x'.repeat(2 ** 21)}"}]`,
      { code: 'record_too_large', line: 2, record: 1 },
    ],
    ['a trailing comma', json, `[${record},\n]`, { code: 'malformed_json', line: 2 }],
    ['a second comma', json, `[${record},,${record}]`, { code: 'malformed_json', line: 1 }],
    ['NaN', json, `[${record},\n{"a":NaN}]`, { code: 'malformed_json', line: 2, record: 1 }],
    ['a comment', json, `[${record},\n/* none */{}]`, { code: 'malformed_json', line: 2 }],
    ['a control character', json, `[${record},\n{"a":"\u0001"}]`, { code: 'malformed_json', line: 2, record: 1 }],
    ['malformed', ndjson, `${record}\n{"a" 1}\n`, { code: 'malformed_json', line: 2, record: 1 }],
    ['truncated', ndjson, `${record}\n{"a":`, { code: 'truncated', line: 2, record: 1 }],
    ['two on a line', ndjson, `${record}\n{} {}\n`, { line: 2 }],
    [
      'a line of 2 MB',
      ndjson,
      `${record}\n{"x":"${'x'.repeat(2 ** 21)}"}`,
      { code: 'record_too_large', line: 2, record: 1 },
    ],
    [
      'a cell too many',
      csv,
      'externalId,firstName,lastName\n1,a,b\n2,a,b,c\n',
      { code: 'malformed_csv', line: 3, record: 1 },
    ],
    ['an open quote', csv, 'externalId,firstName,lastName\n1,a,b\n2,"a,b\n', { code: 'truncated', record: 1 }],
    [
      'a stray quote',
      csv,
      'externalId,firstName,lastName\n1,a,b\n2,a"a,b\n',
      { code: 'malformed_csv', line: 3, record: 1 },
    ],
    ['a column twice', csv, 'externalId,externalId\n1,2\n', { code: 'malformed_csv', line: 1 }],
  ])('%s in %s makes the job fail and says where', async (_what, contentType, body, place) => {
    const job = await from.mirror('/patients', body, { 'Content-Type': contentType });

    expect(job.status).toBe('failed');
    expect(Object.keys(job.error ?? {}).toSorted()).toEqual(['byteOffset', 'code', 'detail', 'line', 'record']);
    expect(job.error).toMatchObject({ byteOffset: expect.any(Number), ...place });
    expect(job.counts).toEqual({
      received: 0,
      created: 0,
      updated: 0,
      unchanged: 0,
      deleted: 0,
      rejected: 0,
      retained: 0,
      unresolved: 0,
    });
    expect(await from.get('/patients')).toEqual(before);
    expect((await from.get(job.links.errors)).items).toEqual([]);
  });

  it('after thousands of valid records changes nothing', async () => {
    const text = JSON.stringify(somePatients(60_000).map((patient) => ({ ...patient, firstName: 'Changed' })));

    const job = await from.mirror('/patients', `${text.slice(0, -1)},{"externalId":]`);

    expect(job).toMatchObject({
      status: 'failed',
      error: { code: 'malformed_json', record: 60_000, byteOffset: text.length + 14 },
    });
    expect(await from.get('/patients')).toEqual(before);
    expect(
      await server.query(`select relname from pg_class c join pg_namespace n on n.oid = relnamespace
      where nspname = 'staging' and relkind = 'r'`),
    ).toEqual([]);
  });
});

describe('a client that disconnects', () => {
  it('in the middle of an upload leaves no job and no bytes', async () => {
    const from = sender();
    const { stream } = openRequest(server, 'POST', '/patients', { ...JSON_TYPE, 'X-Source': from.source });
    stream.write('[');
    for (let i = 0; i < 30; i++) stream.write(' '.repeat(100_000));
    await until('a part of the body is stored', async () => (await from.storedSnapshots()) === 1);

    stream.destroy();

    await until('it is deleted', async () => (await from.storedSnapshots()) === 0);
    expect(await from.jobs()).toEqual([]);
    expect(
      await server.query(
        'select 1 from snapshot_chunk c where not exists (select 1 from snapshot s where s.id = c.snapshot_id)',
      ),
    ).toEqual([]);
  });

  it('before it has sent its Content-Length leaves no job', async () => {
    const from = sender();
    const text = JSON.stringify([aPatient()]);
    const headers = { ...JSON_TYPE, 'X-Source': from.source, 'Content-Length': String(text.length + 10) };
    const { stream } = openRequest(server, 'POST', '/patients', headers);
    await new Promise<void>((resolve) => stream.write(text, () => resolve()));

    stream.destroy();

    expect(await from.mirror('/patients', [aPatient()])).toMatchObject({ status: 'completed' });
    expect(await from.jobs()).toHaveLength(1);
  });
});

describe('concurrent uploads', () => {
  it('of one source are limited to eight, while another source is served', async () => {
    const [from, other] = [sender(), sender()];
    const slow = Array.from({ length: 8 }, () =>
      openRequest(server, 'POST', '/patients', { ...JSON_TYPE, 'X-Source': from.source }),
    );
    for (const { stream } of slow) stream.write(`[${' '.repeat(1_500_000)}`);
    await until('all of them are running', async () => (await from.storedSnapshots()) === 8);

    const ninth = await from.post('/patients', [aPatient()]);

    expect(ninth.status).toBe(429);
    expect(ninth.headers.get('retry-after')).toBe('1');
    expect(await ninth.json()).toMatchObject({ status: 429, code: 'too_many_uploads' });
    expect(await other.mirror('/patients', [aPatient()])).toMatchObject({ status: 'completed' });
    slow[0]?.stream.destroy();
    for (const { stream } of slow.slice(1)) stream.end(']');
    expect((await Promise.all(slow.slice(1).map(({ answer }) => answer))).map(({ status }) => status)).toEqual(
      Array(7).fill(202),
    );
    expect(await from.mirror('/patients', [aPatient()])).toMatchObject({ status: 'completed' });
  });
});

function sha256(bytes: string | Buffer): Buffer {
  return createHash('sha256').update(bytes).digest();
}
