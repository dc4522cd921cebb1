import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { newKey } from '../../src/access/key-text.js';
import { startServer } from '../../src/server.js';
import { rawRequest } from '../http/raw-http.js';
import { aPatient } from '../http/sender.js';
import { startTestServer, type TestServer } from '../setup/test-server.js';
import { allKeys, basic, bearer, makeKey, WRONG_KEY } from './keys.js';

const PAGES = ['/admin/queues', '/admin/queues/api/queues', '/metrics', '/docs', '/openapi.json'];

let server: TestServer;
let key: string;

beforeAll(async () => {
  server = await startTestServer({ AUTH: 'keys', WRONG_KEYS_PER_MINUTE: 0 });
  key = await makeKey(server);
});

afterAll(() => server.close());

async function statusOf(path: string, headers: Record<string, string> = {}): Promise<number> {
  return (await server.fetch(path, { headers })).status;
}

describe('a key', () => {
  it('may be presented in either header, or in both', async () => {
    expect(await statusOf('/patients', bearer(key))).toBe(200);
    expect(await statusOf('/patients', { Authorization: `bearer  ${key}` })).toBe(200);
    expect(await statusOf('/patients', { 'X-API-Key': key })).toBe(200);
    expect(await statusOf('/patients', { ...bearer(key), 'X-API-Key': key })).toBe(200);
  });

  it('is refused if the two headers differ, or one is sent twice', async () => {
    const other = await makeKey(server);

    expect(await statusOf('/patients', { ...bearer(key), 'X-API-Key': other })).toBe(401);
    expect(await statusOf('/patients', { Authorization: 'Token x', 'X-API-Key': key })).toBe(401);
    expect(await statusOf('/patients', { 'X-API-Key': `${key}, ${key}` })).toBe(401);
    for (const name of ['Authorization', 'X-API-Key']) {
      const value = name === 'X-API-Key' ? [key, key] : [`Bearer ${key}`, `Bearer ${key}`];
      const headers = { [name]: value } as unknown as Record<string, string>;
      expect((await rawRequest(server, 'GET', '/patients', { headers })).status).toBe(401);
    }
  });

  it.each(['', 'Bearer', 'Bearer ', 'Bearer a b', 'Basic', 'Basic ====', 'Bearer \u00e9', `Bearer ${WRONG_KEY}x`])(
    'is not accepted as "%s"',
    async (header) => {
      expect(await statusOf('/patients', { Authorization: header })).toBe(401);
      expect(await statusOf('/metrics', { Authorization: header })).toBe(401);
    },
  );

  it('is valid from the moment it is made until the moment it is revoked', async () => {
    const fleeting = await makeKey(server, { name: 'fleeting' });
    expect(await statusOf('/patients', bearer(fleeting))).toBe(200);

    expect(await allKeys(server).revoke('fleeting', 'a test')).toBe(true);

    expect(await statusOf('/patients', bearer(fleeting))).toBe(401);
    expect(await allKeys(server).revoke('fleeting', 'a test')).toBe(false);
  });

  it('stays revoked when its name is used again for a new key', async () => {
    const first = await makeKey(server, { name: 'again' });
    await expect(makeKey(server, { name: 'again' })).rejects.toThrow('again');
    await allKeys(server).revoke('again', 'a test');

    const second = await makeKey(server, { name: 'again' });

    expect(await statusOf('/patients', bearer(first))).toBe(401);
    expect(await statusOf('/patients', bearer(second))).toBe(200);
  });

  it("expires by the database's clock", async () => {
    const ending = await makeKey(server, { name: 'ending', expiresAt: new Date(Date.now() + 3_600_000) });
    expect(await statusOf('/patients', bearer(ending))).toBe(200);

    await server.query(`update access_key set expires_at = now() where name = 'ending'`);

    expect(await statusOf('/patients', bearer(ending))).toBe(401);
    expect(await allKeys(server).list()).toContainEqual(expect.objectContaining({ name: 'ending', state: 'expired' }));
  });

  it('that was valid once gets the same answer as one that never was', async () => {
    const revoked = await makeKey(server, { name: 'revoked' });
    const expired = await makeKey(server, { expiresAt: new Date(0) });
    await allKeys(server).revoke('revoked', 'a test');

    const texts = await Promise.all(
      [revoked, expired, WRONG_KEY, 'x'].map(async (presented) => {
        const response = await server.fetch('/patients', { headers: bearer(presented) });
        return `${response.status} ${response.headers.get('www-authenticate')} ${await response.text()}`;
      }),
    );

    expect(new Set(texts).size).toBe(1);
    expect(texts[0]).toContain('401 Bearer realm="counterpart" {');
  });
});

describe('HTTP Basic', () => {
  it.each(PAGES)('opens the page %s with the key as the password of any user', async (path) => {
    expect(await statusOf(path, basic(key))).toBe(200);
    expect(await statusOf(path, basic(key, ''))).toBe(200);
    expect(await statusOf(path, basic(WRONG_KEY))).toBe(401);
    expect(await statusOf(path, basic('', key))).toBe(401);
    expect(await statusOf(path, bearer(key))).toBe(200);
  });

  it.each(PAGES)('is requested by the page %s', async (path) => {
    const { headers } = await server.fetch(path);

    expect(headers.get('www-authenticate')).toBe('Basic realm="counterpart", charset="UTF-8"');
  });

  it('opens no route of the API, and does not invalidate an X-API-Key there', async () => {
    for (const path of ['/patients', '/sync/jobs', '/nothing']) {
      const response = await server.fetch(path, { headers: basic(key) });
      expect(response.status).toBe(401);
      expect(response.headers.get('www-authenticate')).toBe('Bearer realm="counterpart"');
    }
    expect(await statusOf('/patients', { ...basic(WRONG_KEY), 'X-API-Key': key })).toBe(200);
  });
});

describe('a page', () => {
  it('with figures of all sources requires ops, whatever the case of its path', async () => {
    const reader = await makeKey(server, { scopes: ['read', 'submit', 'approve'] });

    for (const path of ['/admin/queues', '/Admin/Queues/', '/ADMIN/queues/api/queues', '/metrics', '/METRICS/']) {
      expect(await statusOf(path, bearer(reader))).toBe(403);
    }
    expect(await statusOf('/docs', basic(reader))).toBe(200);
    expect(await statusOf('/openapi.json', basic(reader))).toBe(200);
  });
});

describe('a caller without a key', () => {
  it.each(['/nothing', '/patients/1/nothing', '/docs-json', '/health/', '/Health', '/health/other', '//metrics', '/'])(
    'does not learn whether %s exists',
    async (path) => {
      expect((await rawRequest(server, 'GET', path)).status).toBe(401);
      expect((await rawRequest(server, 'OPTIONS', path)).status).toBe(401);
    },
  );

  it('does not learn what is wrong with a body or a query', async () => {
    const body = '{ no json';
    expect((await server.submit('/webhooks', body)).status).toBe(401);
    expect((await server.submit('/patients?mode=none', body, { 'Content-Type': 'x/y' })).status).toBe(401);
  });

  it('who sends a snapshot gets the answer, and nothing is stored', async () => {
    const body = Buffer.alloc(8 * 1024 * 1024, ' ');

    const { status } = await rawRequest(server, 'POST', '/patients', { body: [body] });

    expect(status).toBe(401);
    expect(await server.query('select from sync_job')).toEqual([]);
    expect(await server.query('select from snapshot')).toEqual([]);
  });
});

describe('an answer', () => {
  it('may be cached by no browser or proxy, except the files of pages', async () => {
    await server.mirror('/patients', [aPatient()], bearer(key));

    for (const path of ['/patients', '/patients/1', '/patients/none', '/openapi.json', '/docs', '/metrics']) {
      const { headers } = await server.fetch(path, { headers: bearer(key) });
      expect({ path, cache: headers.get('cache-control') }).toEqual({ path, cache: 'no-store' });
    }
    expect((await server.fetch('/patients')).headers.get('cache-control')).toBe('no-store');
    const script = await server.fetch('/docs/swagger-ui.css', { headers: bearer(key) });
    expect(script.headers.get('cache-control')).toBe('private, no-cache');
    expect(script.headers.get('etag')).not.toBeNull();
  });
});

describe('a server that the command line starts for itself', () => {
  it('accepts only the key of its own process, which is stored nowhere', async () => {
    const operatorKey = newKey();
    const own = await startServer(server.config, { operatorKey });
    const statusWith = async (presented: string) =>
      (await fetch(`${own.url}/sync/jobs`, { headers: { ...bearer(presented), 'X-Source': 'any' } })).status;

    expect(await statusWith(operatorKey)).toBe(200);
    expect(await statusWith(newKey())).toBe(401);
    expect(await statusOf('/sync/jobs', bearer(operatorKey))).toBe(401);
    expect(await allKeys(server).findCaller(operatorKey)).toBeNull();
    await own.close();
  });
});
