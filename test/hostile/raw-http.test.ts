import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { connect } from 'node:net';
import { aPatient, Sender } from '../http/sender.js';
import { startTestServer, type TestServer, until } from '../setup/test-server.js';

const HOST = 'Host: localhost';

/** A complete request that would create a job of a source of its own if the server read it as a request. */
const SMUGGLED = request('POST /patients', ['X-Source: smuggled', 'Content-Type: application/json'], '[]');

/** Sent last: its response shows that the connection still works, and closes it. */
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

/** Sends bytes. @returns everything the server sends until it closes the connection */
async function exchange(bytes: string | Buffer): Promise<string> {
  const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
  let text = '';
  socket.on('data', (part: Buffer) => (text += part.toString('latin1')));
  // The server may close the connection while more bytes are on the way.
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

describe('an ambiguous request', () => {
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
    ['a length that overflows', `${post}Content-Length: 99999999999999999999999\r\n\r\n[]${SMUGGLED}`],
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
    ['an invalid chunk size', `${post}Transfer-Encoding: chunked\r\n\r\nzz\r\n[]\r\n0\r\n\r\n${SMUGGLED}`],
    ['a negative chunk size', `${post}Transfer-Encoding: chunked\r\n\r\n-2\r\n[]\r\n0\r\n\r\n${SMUGGLED}`],
    ['a chunk size with 0x', `${post}Transfer-Encoding: chunked\r\n\r\n0x2\r\n[]\r\n0\r\n\r\n${SMUGGLED}`],
    ['a chunk size that overflows', `${post}Transfer-Encoding: chunked\r\n\r\n${'f'.repeat(17)}\r\n[]${SMUGGLED}`],
    ['a chunk longer than its size', `${post}Transfer-Encoding: chunked\r\n\r\n1\r\n[]\r\n0\r\n\r\n${SMUGGLED}`],
    ['a chunk line that ends in LF', `${post}Transfer-Encoding: chunked\r\n\r\n2\n[]\r\n0\r\n\r\n${SMUGGLED}`],
    ['an endless chunk extension', `${post}Transfer-Encoding: chunked\r\n\r\n2;${'x'.repeat(20_000)}\r\n[]${SMUGGLED}`],
  ])('with %s is refused, and nothing after it is read', async (_what, bytes) => {
    const answers = statuses(await exchange(bytes));

    expect(answers).toHaveLength(1);
    expect([400, 413, 431]).toContain(answers[0]);
    await nothingWasSmuggled();
  });
});

describe('an unusual request', () => {
  it.each<[string, string | Buffer, number | null]>([
    ['HTTP/0.9', 'GET /patients\r\n\r\n', 505],
    ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400],
    ['HTTP/3.7', `GET /patients HTTP/3.7\r\n${HOST}\r\n\r\n`, 400],
    ['an invalid protocol name', `GET /patients HTP/1.1\r\n${HOST}\r\n\r\n`, 400],
    ['TLS', Buffer.from('16030100c8010000c40303', 'hex'), 400],
    ['SSH', 'SSH-2.0-OpenSSH_9.6\r\n', 400],
    ['bytes', Buffer.from([0, 1, 2, 3, 255, 254, 13, 10, 13, 10]), 400],
    ['a method in lower case', `get /patients HTTP/1.1\r\n${HOST}\r\n\r\n`, 400],
    ['an unknown method', `STEAL /patients HTTP/1.1\r\n${HOST}\r\n\r\n`, 400],
    ['a blank in the URL', `GET /patients now HTTP/1.1\r\n${HOST}\r\n\r\n`, 400],
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
    ['a URL of 20 kB', request(`GET /patients?q=${'x'.repeat(20_000)}`), 431],
    ['a tunnel', `CONNECT elsewhere.example:443 HTTP/1.1\r\n${HOST}\r\n\r\n`, null],
  ])('(%s) is refused, and the connection is closed', async (_what, bytes, status) => {
    expect(statuses(await exchange(bytes))).toEqual(status === null ? [] : [status]);
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
    ['a URL of 9 kB', request(`GET /patients?q=${'x'.repeat(9_000)}`), 414],
    ['TRACE', request('TRACE /patients'), 405],
    ['PATCH of a path that does not support it', request('PATCH /patients'), 405],
    ['OPTIONS of the whole server', request('OPTIONS *'), 404],
    ['an unsupported expectation', request('GET /patients', ['Expect: wonders']), 417],
  ])('(%s) is refused, and the connection stays open', async (_what, bytes, status) => {
    expect(statuses(await exchange(bytes + LAST))).toEqual([status, 200]);
  });

  it('with another host in its URL is answered, and that host is in no link', async () => {
    const text = await exchange(request('GET http://elsewhere.example/patients?limit=1', ['Connection: close']));

    expect(statuses(text)).toEqual([200]);
    expect(text).toMatch(/\r\nLink: <\/patients\?/);
    expect(text).not.toContain('elsewhere');
  });

  it.each(['websocket', 'h2c', 'TLS/1.0'])('to upgrade to %s is answered without an upgrade', async (protocol) => {
    const upgrade = ['Connection: Upgrade', `Upgrade: ${protocol}`, 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=='];

    const text = await exchange(request('GET /patients', upgrade) + LAST);

    expect(statuses(text)).not.toContain(101);
    expect(statuses(text)[0]).toBe(200);
  });

  it('after one whose response has begun does not write into that response', async () => {
    const { id } = await new Sender(server, 'default').mirror('/patients?deletes=hold', [aPatient()]);

    // The job waits for approval, so its event stream stays open.
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
    let text = '';
    socket.on('data', (part: Buffer) => (text += part.toString())).write(request(`GET /sync/jobs/${id}/events`));
    await until('the response has begun', () => text.includes('event: job'));
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
  ])('is not read as the next request, after a %i to %s', async (status, line, headers) => {
    const body = SMUGGLED.repeat(3);

    for (const sent of [request(line, headers, body), chunked(line, headers, body)]) {
      const answers = statuses(await exchange(sent + LAST));

      expect(answers[0]).toBe(status);
      // Either the connection is closed, or the next response is that to the next request.
      expect([[], [200]]).toContainEqual(answers.slice(1));
    }
    await nothingWasSmuggled();
  });

  it('is not read as the next request if it is too large, either', async () => {
    const answers = statuses(await exchange(request('POST /patients', [json], `[${SMUGGLED.repeat(200)}`) + LAST));

    expect(answers[0]).toBe(413);
    await nothingWasSmuggled();
  });

  it('is requested with 100 Continue if the sender expects that', async () => {
    const text = await exchange(
      request('POST /patients?mode=partial', [json, 'Expect: 100-continue', 'Connection: close'], '[]'),
    );

    expect(statuses(text)).toEqual([100, 202]);
  });
});
