import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { connect } from 'node:net';
import { startTestServer, type TestServer } from '../setup/test-server.js';

describe('a malformed HTTP request', () => {
  let server: TestServer;

  beforeAll(async () => {
    server = await startTestServer();
  });

  afterAll(() => server.close());

  /** Everything that the server answers to these bytes until it closes the connection. */
  async function answerTo(bytes: string): Promise<string> {
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
    let text = '';
    socket.setEncoding('utf8').on('data', (part: string) => (text += part));
    socket.write(bytes);
    await once(socket, 'close');
    return text;
  }

  it.each([
    ['an unknown method', 'FOO / HTTP/1.1\r\n\r\n', 400],
    ['two lengths', 'POST /patients HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n', 400],
    [
      'a length and chunks',
      'POST /patients HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
      400,
    ],
    ['an endless header', `GET / HTTP/1.1\r\nHost: a\r\nX-Long: ${'a'.repeat(20_000)}\r\n\r\n`, 431],
  ])('with %s is answered with a problem and an id', async (_what, bytes, status) => {
    const answer = await answerTo(bytes);

    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(answer).toMatch(
      /\r\nX-Request-Id: [0-9a-f-]{36}\r\nContent-Type: application\/problem\+json; charset=utf-8\r\n/,
    );
    expect(JSON.parse(answer.split('\r\n\r\n')[1] ?? '')).toMatchObject({ status, code: 'malformed_request' });
  });
});
