import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { rawRequest } from '../http/raw-http.js';
import { startTestServer, type TestServer } from '../setup/test-server.js';
import { basic, bearer, makeKey } from './keys.js';

const PAUSE = '/admin/queues/api/queues/sync/pause';
const RESUME = '/admin/queues/api/queues/sync/resume';

type Headers = Record<string, string>;

async function send(server: TestServer, method: string, path: string, headers: Headers) {
  const { status, body } = await rawRequest(server, method, path, { headers });
  return {
    status,
    code: (body.toString().startsWith('{') ? JSON.parse(body.toString()) : {}).code as string | undefined,
  };
}

describe('a server that requires no keys', () => {
  let server: TestServer;
  let origin: string;

  beforeAll(async () => {
    server = await startTestServer({ AUTH: 'open', HOST: '127.0.0.1', QUEUE_ACTIONS: 'allow' });
    origin = server.url;
  });

  afterAll(() => server.close());

  const cancel = (headers: Headers) => send(server, 'POST', '/sync/jobs/none/cancel', headers);

  it.each<Headers>([
    { 'Sec-Fetch-Site': 'cross-site' },
    { 'Sec-Fetch-Site': 'same-site' },
    { 'Sec-Fetch-Site': 'anything' },
    { Origin: 'https://evil.example' },
    { Origin: 'null' },
    { Origin: 'http://127.0.0.1:1' },
    { Origin: 'http://127.0.0.1.evil.example' },
  ])('refuses changes that another site makes a browser send: %j', async (headers) => {
    expect(await cancel(headers)).toEqual({ status: 403, code: 'cross_site' });
    expect(await send(server, 'PUT', PAUSE, headers)).toEqual({ status: 403, code: 'cross_site' });
    expect((await send(server, 'GET', '/patients', headers)).status).toBe(200);
  });

  it('accepts changes from programs and from its own pages', async () => {
    expect(await cancel({})).toMatchObject({ code: 'not_found' });
    expect(await cancel({ Origin: origin, 'Sec-Fetch-Site': 'same-origin' })).toMatchObject({ code: 'not_found' });
    expect(await cancel({ 'Sec-Fetch-Site': 'none' })).toMatchObject({ code: 'not_found' });
    const name = `localhost:${new URL(origin).port}`;
    expect(await cancel({ Host: name, Origin: `http://${name}` })).toMatchObject({ code: 'not_found' });
  });

  it.each(['evil.example', 'localhost.evil.example', '10.0.0.1', '[::2]:3000', 'a@localhost', 'localhost/x'])(
    'does not answer to the host name "%s"',
    async (Host) => {
      for (const path of ['/patients', '/admin/queues', '/docs', '/nothing']) {
        expect(await send(server, 'GET', path, { Host })).toEqual({ status: 403, code: 'unknown_host' });
      }
      expect((await send(server, 'GET', '/health/live', { Host })).status).toBe(200);
    },
  );

  it.each(['localhost', 'LOCALHOST:80', '127.0.0.1', '127.1.2.3:9', '[::1]', '[::1]:3000'])(
    'answers to the host name %s',
    async (Host) => {
      expect((await send(server, 'GET', '/patients', { Host })).status).toBe(200);
    },
  );

  it.each<Headers>([
    { 'X-Forwarded-For': '203.0.113.9' },
    { 'x-forwarded-proto': 'https' },
    { 'X-Forwarded-Host': '127.0.0.1' },
    { 'X-Forwarded-For': '' },
    { Forwarded: 'for=203.0.113.9' },
  ])('refuses requests that a proxy passes on, which may come from anywhere: %j', async (headers) => {
    for (const path of ['/patients', '/admin/queues', '/docs', '/nothing']) {
      expect(await send(server, 'GET', path, headers)).toEqual({ status: 403, code: 'forwarded' });
    }
    expect((await send(server, 'GET', '/health/live', headers)).status).toBe(200);
  });

  it('requires no key, and ignores keys that are presented', async () => {
    expect((await send(server, 'GET', '/patients', bearer('whatever'))).status).toBe(200);
    expect((await send(server, 'GET', '/metrics', basic('whatever'))).status).toBe(200);
  });
});

describe('a browser that is signed in with HTTP Basic', () => {
  let server: TestServer;
  let key: string;

  beforeAll(async () => {
    server = await startTestServer({ AUTH: 'keys', QUEUE_ACTIONS: 'allow' });
    key = await makeKey(server, { scopes: ['ops'] });
  });

  afterAll(() => server.close());

  it.each<Headers>([
    {},
    { 'Sec-Fetch-Site': 'cross-site' },
    { 'Sec-Fetch-Site': 'same-site' },
    { Origin: 'http://e.io' },
  ])('changes nothing unless it says that the request comes from our own page: %j', async (headers) => {
    expect(await send(server, 'PUT', PAUSE, { ...basic(key), ...headers })).toEqual({
      status: 403,
      code: 'cross_site',
    });
  });

  it('may change the queues from our own page', async () => {
    const page = { ...basic(key), 'Sec-Fetch-Site': 'same-origin' };
    expect((await send(server, 'PUT', PAUSE, page)).status).toBe(200);
    expect((await send(server, 'PUT', RESUME, { ...basic(key), Origin: server.url })).status).toBe(200);
  });

  it('leaves an audit entry for an action on a queue, which a key of a single source may not take', async () => {
    const page = { 'Sec-Fetch-Site': 'same-origin' };
    const bound = await makeKey(server, { scopes: ['ops'], source: 'clinic' });
    const count = async () => {
      const [row] = await server.query(
        `select count(*)::int as entries from audit_entry where action = 'queue.touched' and subject = 'queues:sync/resume'`,
      );
      return row.entries;
    };
    const before = await count();

    expect(await send(server, 'PUT', RESUME, { ...basic(bound), ...page })).toEqual({
      status: 403,
      code: 'operators_only',
    });
    expect((await send(server, 'PUT', RESUME, { ...basic(key), ...page })).status).toBe(200);

    expect(await count()).toBe(before + 1);
  });

  it('does not restrict programs that present a key', async () => {
    expect((await send(server, 'PUT', RESUME, bearer(key))).status).toBe(200);
  });
});

describe('the queue dashboard', () => {
  let server: TestServer;

  beforeAll(async () => {
    server = await startTestServer();
  });

  afterAll(() => server.close());

  it.each(['PUT', 'POST', 'DELETE', 'PATCH'])('refuses every %s unless QUEUE_ACTIONS=allow', async (method) => {
    for (const path of [PAUSE, '/admin/queues', '/admin/queues/whatever', '/ADMIN/Queues/api/queues/sync/pause']) {
      expect(await send(server, method, path, {})).toEqual({ status: 403, code: 'queue_actions_denied' });
    }
  });

  it('offers no actions by default', async () => {
    const { queues } = await server.get('/admin/queues/api/queues');

    expect(queues.length).toBeGreaterThan(0);
    expect(queues.filter(({ readOnlyMode }: { readOnlyMode: boolean }) => !readOnlyMode)).toEqual([]);
  });
});

describe('the pages', () => {
  let server: TestServer;

  beforeAll(async () => {
    server = await startTestServer();
  });

  afterAll(() => server.close());

  it.each(['/admin/queues', '/docs', '/openapi.json', '/metrics', '/patients'])(
    'allow only our own scripts and no framing: %s',
    async (path) => {
      const response = await server.fetch(path);
      const policy = response.headers.get('content-security-policy') ?? '';
      const directives = new Map(policy.split(';').map((text) => [text.split(' ')[0], text.split(' ').slice(1)]));

      expect(directives.get('script-src')).toEqual(["'self'"]);
      expect(directives.get('script-src-attr')).toEqual(["'none'"]);
      expect(directives.get('frame-ancestors')).toEqual(["'none'"]);
      expect(directives.get('default-src')).toEqual(["'self'"]);
      expect(response.headers.get('x-frame-options')).toBe('DENY');
      // All scripts are in files; an inline block of JSON is not a script.
      const inline = /<script(?![^>]*\bsrc=)(?![^>]*type="application\/json")[^>]*>/i;
      expect(await response.text()).not.toMatch(inline);
    },
  );

  it('document how to present a key, and the scope that each operation requires', async () => {
    const { components, paths } = await server.get('/openapi.json');

    expect(components.securitySchemes).toMatchObject({
      bearer: { type: 'http', scheme: 'bearer' },
      apiKey: { type: 'apiKey', in: 'header', name: 'X-API-Key' },
    });
    const approve = paths['/sync/jobs/{id}/approve'].post;
    expect(approve.security).toEqual([{ bearer: [] }, { apiKey: [] }]);
    expect(Object.keys(approve.responses)).toEqual(expect.arrayContaining(['401', '403']));
    expect(approve.responses['403'].description).toContain('approve');
    expect(paths['/health/live'].get.security).toEqual([]);
  });
});
