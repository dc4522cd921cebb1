import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { connect } from 'node:net';
import { aPatient, Sender } from '../http/sender.js';
import { startTestServer, type TestServer, until } from '../setup/test-server.js';

const HOST = 'Host: localhost';

/** A whole request that would make a job of a source of its own, if somebody took it for one. */
const SMUGGLED = request('POST /patients', ['X-Source: smuggled', 'Content-Type: application/json'], '[]');

/** Asked last: its answer says that the connection was still good, and closes it. */
const LAST = request('GET /health/live', ['Connection: close']);

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer({ MAX_BODY_BYTES: 10_000 });
  await new Sender(server, 'default').mirror('/patients', [
    aPatient(),
    aPatient({ externalId: '2' }),
    aPatient({ externalId: '3' }),
  ]);
});

afterAll(() => server.close());

function request(line: string, headers: string[] = [], body = ''): string {
  const length = body === '' ? [] : [`Content-Length: ${Buffer.byteLength(body)}`];
  return [`${line} HTTP/1.1`, HOST, ...length, ...headers, '', body].join('\r\n');
}

function chunked(line: string, headers: string[], body: string): string {
  const head = [`${line} HTTP/1.1`, HOST, 'Transfer-Encoding: chunked', ...headers, ''].join('\r\n');
  return `${head}\r\n${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
}

/** All that the server says to these bytes until it closes the connection. */
async function said(bytes: string | Buffer): Promise<string> {
  const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
  let text = '';
  socket.on('data', (part: Buffer) => (text += part.toString('latin1')));
  // It may hang up on rubbish while more of it is on the way.
  socket.on('error', () => undefined);
  socket.write(bytes);
  await once(socket, 'close');
  return text;
}

function statuses(text: string): number[] {
  return [...text.matchAll(/HTTP\/1\.1 (\d{3}) [A-Z]/g)].map(([, status]) => Number(status));
}

async function nothingWasSmuggled(): Promise<void> {
  expect((await server.get('/sync/jobs', { headers: { 'X-Source': 'smuggled' } })).items).toEqual([]);
}

describe('a request that two readers could read in two ways', () => {
  const post = `POST /patients HTTP/1.1\r\n${HOST}\r\nContent-Type: application/json\r\n`;

  it.each([
    ['a length and chunks', `${post}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`],
    ['chunks and a length', `${post}Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n${SMUGGLED}`],
    ['two lengths', `${post}Content-Length: 2\r\nContent-Length: 0\r\n\r\n[]${SMUGGLED}`],
    ['the same length twice', `${post}Content-Length: 2\r\nContent-Length: 2\r\n\r\n[]${SMUGGLED}`],
    ['a list of lengths', `${post}Content-Length: 2, 2\r\n\r\n[]${SMUGGLED}`],
    ['a negative length', `${post}Content-Length: -2\r\n\r\n${SMUGGLED}`],
    ['a length with a plus', `${post}Content-Length: +2\r\n\r\n[]${SMUGGLED}`],
    ['a hexadecimal length', `${post}Content-Length: 0x2\r\n\r\n[]${SMUGGLED}`],
    ['a length beyond all numbers', `${post}Content-Length: 99999999999999999999999\r\n\r\n[]${SMUGGLED}`],
    ['an unknown transfer coding', `${post}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${SMUGGLED}`],
    ['chunks that are not the last coding', `${post}Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n${SMUGGLED}`],
    ['two transfer codings', `${post}Transfer-Encoding: identity\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n${SMUGGLED}`],
    ['a blank before the colon', `${post}Content-Length : 2\r\n\r\n[]${SMUGGLED}`],
    ['a blank in a name', `${post}Content Length: 2\r\n\r\n[]${SMUGGLED}`],
    ['a blank before a name', `${post} Content-Length: 2\r\n\r\n[]${SMUGGLED}`],
    ['a NUL in a header', `${post}X-A: a\0b\r\nContent-Length: 2\r\n\r\n[]${SMUGGLED}`],
    ['a CR in a header', `${post}X-A: a\rb\r\nContent-Length: 2\r\n\r\n[]${SMUGGLED}`],
    ['a header without a colon', `${post}X-A\r\nContent-Length: 2\r\n\r\n[]${SMUGGLED}`],
    ['a header without a name', `${post}: a\r\nContent-Length: 2\r\n\r\n[]${SMUGGLED}`],
    ['a chunk size that is none', `${post}Transfer-Encoding: chunked\r\n\r\nzz\r\n[]\r\n0\r\n\r\n${SMUGGLED}`],
    ['a negative chunk size', `${post}Transfer-Encoding: chunked\r\n\r\n-2\r\n[]\r\n0\r\n\r\n${SMUGGLED}`],
    ['a chunk size with 0x', `${post}Transfer-Encoding: chunked\r\n\r\n0x2\r\n[]\r\n0\r\n\r\n${SMUGGLED}`],
    ['a chunk size beyond all numbers', `${post}Transfer-Encoding: chunked\r\n\r\n${'f'.repeat(17)}\r\n[]${SMUGGLED}`],
    ['a chunk longer than its size', `${post}Transfer-Encoding: chunked\r\n\r\n1\r\n[]\r\n0\r\n\r\n${SMUGGLED}`],
    ['a chunk line that ends in LF', `${post}Transfer-Encoding: chunked\r\n\r\n2\n[]\r\n0\r\n\r\n${SMUGGLED}`],
    ['an endless chunk extension', `${post}Transfer-Encoding: chunked\r\n\r\n2;${'x'.repeat(20_000)}\r\n[]${SMUGGLED}`],
  ])('by %s is refused, and nothing behind it is read', async (_what, bytes) => {
    const answers = statuses(await said(bytes));

    expect(answers).toHaveLength(1);
    expect([400, 413, 431]).toContain(answers[0]);
    await nothingWasSmuggled();
  });
});

describe('what is no request of ours', () => {
  it.each<[string, string | Buffer, number | null]>([
    ['HTTP/0.9', 'GET /patients\r\n\r\n', 505],
    ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400],
    ['HTTP/3.7', `GET /patients HTTP/3.7\r\n${HOST}\r\n\r\n`, 400],
    ['a version that is none', `GET /patients HTP/1.1\r\n${HOST}\r\n\r\n`, 400],
    ['TLS', Buffer.from('16030100c8010000c40303', 'hex'), 400],
    ['SSH', 'SSH-2.0-OpenSSH_9.6\r\n', 400],
    ['bytes', Buffer.from([0, 1, 2, 3, 255, 254, 13, 10, 13, 10]), 400],
    ['a method in small letters', `get /patients HTTP/1.1\r\n${HOST}\r\n\r\n`, 400],
    ['a method that nobody knows', `STEAL /patients HTTP/1.1\r\n${HOST}\r\n\r\n`, 400],
    ['a blank in the address', `GET /patients now HTTP/1.1\r\n${HOST}\r\n\r\n`, 400],
    ['no host', 'GET /patients HTTP/1.1\r\n\r\n', 400],
    ['a header of 20 kB', request('GET /patients', [`X-Long: ${'x'.repeat(20_000)}`]), 431],
    [
      'headers of 20 kB',
      request(
        'GET /patients',
        Array.from({ length: 60 }, (_, n) => `X-${n}: ${'x'.repeat(330)}`),
      ),
      431,
    ],
    ['an address of 20 kB', request(`GET /patients?q=${'x'.repeat(20_000)}`), 431],
    ['a tunnel', `CONNECT elsewhere.example:443 HTTP/1.1\r\n${HOST}\r\n\r\n`, null],
  ])('%s is refused, and the connection closed', async (_what, bytes, status) => {
    expect(statuses(await said(bytes))).toEqual(status === null ? [] : [status]);
  });

  it.each<[string, string, number]>([
    [
      'too many headers',
      request(
        'GET /patients',
        Array.from({ length: 150 }, (_, n) => `X-${n}: 1`),
      ),
      431,
    ],
    ['an address of 9 kB', request(`GET /patients?q=${'x'.repeat(9_000)}`), 414],
    ['TRACE', request('TRACE /patients'), 405],
    ['PATCH where nothing can be patched', request('PATCH /patients'), 405],
    ['OPTIONS of the whole server', request('OPTIONS *'), 404],
    ['an expectation that nobody can meet', request('GET /patients', ['Expect: wonders']), 417],
  ])('%s is refused, and the connection goes on', async (_what, bytes, status) => {
    expect(statuses(await said(bytes + LAST))).toEqual([status, 200]);
  });

  it('an address with another host in it is answered as if it were ours, and links nowhere', async () => {
    const text = await said(request('GET http://elsewhere.example/patients?limit=1', ['Connection: close']));

    expect(statuses(text)).toEqual([200]);
    expect(text).toMatch(/\r\nLink: <\/patients\?/);
    expect(text).not.toContain('elsewhere');
  });

  it.each(['websocket', 'h2c', 'TLS/1.0'])('an upgrade to %s is not made', async (protocol) => {
    const upgrade = ['Connection: Upgrade', `Upgrade: ${protocol}`, 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=='];

    const text = await said(request('GET /patients', upgrade) + LAST);

    expect(statuses(text)).not.toContain(101);
    expect(statuses(text)[0]).toBe(200);
  });

  it('rubbish behind a request whose answer is under way does not get into that answer', async () => {
    const { id } = await new Sender(server, 'default').mirror('/patients?deletes=hold', [aPatient()]);

    // It waits for approval, so that its stream stays open.
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
    let text = '';
    socket.on('data', (part: Buffer) => (text += part.toString())).write(request(`GET /sync/jobs/${id}/events`));
    await until('the answer is under way', () => text.includes('event: job'));
    socket.write('rubbish\r\n\r\n');
    await once(socket, 'close');

    expect(statuses(text)).toEqual([200]);
    expect(text).not.toContain('malformed_request');
    await server.fetch(`/sync/jobs/${id}/reject`, { method: 'POST' });
  });
});

describe('the body of a refused request', () => {
  const json = 'Content-Type: application/json';

  it.each<[number, string, string[]]>([
    [415, 'POST /patients', ['Content-Type: text/html']],
    [415, 'POST /patients', [json, 'Content-Encoding: gzip, gzip']],
    [400, 'POST /patients', [json, 'X-Source: no such name!']],
    [400, 'POST /patients', [json]],
    [400, 'POST /patients?mode=odd', [json]],
    [404, 'POST /nothing', [json]],
    [405, 'PUT /patients', [json]],
    [404, 'POST /sync/jobs/none/approve', [json]],
    [400, 'POST /webhooks', [json]],
    [200, 'GET /patients', [json]],
    [405, 'DELETE /patients', []],
  ])('is not taken for the next request, after a %i to %s', async (status, line, headers) => {
    const body = SMUGGLED.repeat(3);

    for (const sent of [request(line, headers, body), chunked(line, headers, body)]) {
      const answers = statuses(await said(sent + LAST));

      expect(answers[0]).toBe(status);
      // Either the connection was closed with it, or the next answer is that to the next request.
      expect([[], [200]]).toContainEqual(answers.slice(1));
    }
    await nothingWasSmuggled();
  });

  it('of which there is too much is not taken for the next request either', async () => {
    const answers = statuses(await said(request('POST /patients', [json], `[${SMUGGLED.repeat(200)}`) + LAST));

    expect(answers[0]).toBe(413);
    await nothingWasSmuggled();
  });

  it('is asked for when its sender would rather wait', async () => {
    const text = await said(
      request('POST /patients?mode=partial', [json, 'Expect: 100-continue', 'Connection: close'], '[]'),
    );

    expect(statuses(text)).toEqual([100, 202]);
  });
});
