import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { unsigned } from '../setup/cursors.js';
import { startTestServer, type TestServer, until } from '../setup/test-server.js';
import { WebhookOwner } from './webhook-owner.js';

const URL_OF_NOBODY = 'https://8.8.8.8/hook';
const INSTANT = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);

let server: TestServer;
let owner: WebhookOwner;

beforeAll(async () => {
  // This server sends no webhooks.
  server = await startTestServer({ ROLE: 'api', WEBHOOK_MAX_ENDPOINTS: 5 });
});

beforeEach(() => {
  owner = new WebhookOwner(server);
});

afterAll(() => server.close());

async function refusalOf(response: Response): Promise<any> {
  expect(response.headers.get('content-type')).toMatch(/^application\/problem\+json/);
  const problem: any = await response.json();
  expect(problem.status).toBe(response.status);
  return problem;
}

describe('an endpoint', () => {
  it('is registered for all events, and shows its secret only once', async () => {
    const response = await owner.request('POST', '/webhooks', { url: URL_OF_NOBODY });

    const { secret, ...endpoint }: any = await response.json();
    expect([response.status, response.headers.get('location')]).toEqual([201, `/webhooks/${endpoint.id}`]);
    expect(secret).toMatch(/^whsec_/);
    expect(Buffer.from(secret.slice('whsec_'.length), 'base64')).toHaveLength(32);
    expect(endpoint).toEqual({
      id: expect.any(String),
      url: URL_OF_NOBODY,
      description: null,
      events: ['job.completed', 'job.failed', 'job.awaiting_approval', 'liquidity.breached', 'liquidity.recovered'],
      enabled: true,
      disabledReason: null,
      disabledAt: null,
      failingSince: null,
      created: INSTANT,
      updated: INSTANT,
    });
    expect(await owner.webhook(endpoint.id)).toEqual(endpoint);
    expect(await owner.get('/webhooks')).toEqual({ items: [endpoint], nextCursor: null });
  });

  it('keeps the fields that it was registered with', async () => {
    const wanted = { events: ['job.failed'], description: 'für “uns”' };

    const { id } = await owner.register(URL_OF_NOBODY, wanted);

    expect(await owner.webhook(id)).toMatchObject(wanted);
  });

  it('changes only the fields that a PATCH names', async () => {
    const { id, secret: _, ...before } = await owner.register(URL_OF_NOBODY, { description: 'old' });
    const change = async (changes: object) => owner.ok('PATCH', `/webhooks/${id}`, changes);

    expect(await change({})).toEqual({ ...before, id, updated: INSTANT });
    expect(await change({ events: ['job.failed', 'job.completed'] })).toMatchObject({
      events: ['job.failed', 'job.completed'],
      url: URL_OF_NOBODY,
      description: 'old',
    });
    expect(await change({ url: 'https://8.8.4.4/' })).toMatchObject({ url: 'https://8.8.4.4/', description: 'old' });
    expect(await change({ description: null })).toMatchObject({ description: null });
    const off = { enabled: false, disabledReason: 'by_request', disabledAt: INSTANT };
    expect(await change({ enabled: false, description: 'off' })).toMatchObject({ ...off, description: 'off' });
    expect(await owner.webhook(id)).toMatchObject({ ...off, description: 'off' });
    const on = { enabled: true, disabledReason: null, disabledAt: null };
    expect(await change({ enabled: true })).toMatchObject(on);
  });

  it('that moves to another address starts there without failures', async () => {
    const { id } = await owner.register(URL_OF_NOBODY);
    await server.query('update webhook_endpoint set failing_since = now() where id = $1', [id]);

    expect(await owner.ok('PATCH', `/webhooks/${id}`, { url: URL_OF_NOBODY })).toMatchObject({ failingSince: INSTANT });
    expect(await owner.ok('PATCH', `/webhooks/${id}`, { url: 'https://8.8.4.4/' })).toMatchObject({
      failingSince: null,
    });
  });

  it('is deleted together with its deliveries', async () => {
    const { id } = await owner.register(URL_OF_NOBODY);
    await owner.ok('POST', `/webhooks/${id}/test`);

    const response = await owner.request('DELETE', `/webhooks/${id}`);

    expect([response.status, await response.text()]).toEqual([204, '']);
    expect((await owner.request('DELETE', `/webhooks/${id}`)).status).toBe(404);
    expect((await owner.request('GET', `/webhooks/${id}`)).status).toBe(404);
    expect(await server.query('select from webhook_delivery where endpoint_id = $1', [id])).toEqual([]);
  });

  it('counts towards a maximum, also for concurrent registrations', async () => {
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => owner.request('POST', '/webhooks', { url: URL_OF_NOBODY })),
    );

    const refused = answers.filter(({ status }) => status !== 201);
    expect(refused.map(({ status }) => status)).toEqual([409, 409, 409]);
    expect(await refusalOf(refused[0] as Response)).toMatchObject({ code: 'too_many_webhooks' });
    expect((await owner.get('/webhooks')).items).toHaveLength(5);
    // The address of a further one is not even looked at.
    expect((await owner.request('POST', '/webhooks', { url: 'https://10.0.0.1/' })).status).toBe(409);
  });

  it('of another source does not exist for a caller', async () => {
    const { id } = await owner.register(URL_OF_NOBODY);
    const { id: delivery } = await owner.ok('POST', `/webhooks/${id}/test`);
    const other = new WebhookOwner(server);
    const { id: own } = await other.register(URL_OF_NOBODY);

    for (const [method, path, body] of [
      ['GET', `/webhooks/${id}`],
      ['PATCH', `/webhooks/${id}`, { enabled: false }],
      ['DELETE', `/webhooks/${id}`],
      ['POST', `/webhooks/${id}/rotate-secret`],
      ['POST', `/webhooks/${id}/test`],
      ['GET', `/webhooks/${id}/deliveries`],
      ['POST', `/webhooks/${id}/replay?since=2026-01-01T00:00:00Z`],
      ['POST', `/webhooks/${id}/deliveries/${delivery}/replay`],
      ['POST', `/webhooks/${own}/deliveries/${delivery}/replay`],
    ] as const) {
      const response = await other.request(method, path, body);
      expect([method, path, response.status]).toEqual([method, path, 404]);
      expect(await refusalOf(response)).toMatchObject({ code: 'not_found' });
    }
    expect((await other.get('/webhooks')).items.map((item: any) => item.id)).toEqual([own]);
    expect(await owner.webhook(id)).toMatchObject({ enabled: true });
  });

  it.each([randomUUID(), 'nonsense', '0', '%27', '%00', 'a%2Fb'])('%s is a 404', async (id) => {
    for (const verb of ['', '/deliveries']) {
      expect((await owner.request('GET', `/webhooks/${id}${verb}`)).status).toBe(404);
    }
    for (const verb of ['rotate-secret', 'test', `deliveries/${id}/replay`]) {
      expect((await owner.request('POST', `/webhooks/${id}/${verb}`)).status).toBe(404);
    }
    expect((await owner.request('PATCH', `/webhooks/${id}`, {})).status).toBe(404);
    expect((await owner.request('DELETE', `/webhooks/${id}`)).status).toBe(404);
  });
});

describe('the lists', () => {
  it('of endpoints and of deliveries are newest first, paged by cursor and by Link', async () => {
    const ids: string[] = [];
    for (let count = 0; count < 5; count++) ids.unshift((await owner.register(URL_OF_NOBODY)).id);
    const pings: string[] = [];
    for (let count = 0; count < 5; count++) {
      pings.unshift((await owner.ok('POST', `/webhooks/${ids[0]}/test`)).id);
    }

    for (const [list, expected] of [
      ['/webhooks', ids],
      [`/webhooks/${ids[0]}/deliveries`, pings],
    ] as const) {
      const seen: string[] = [];
      let path: string | undefined = `${list}?limit=2`;
      while (path !== undefined) {
        const response = await owner.fetch(path);
        const { items, nextCursor }: any = await response.json();
        seen.push(...items.map(({ id }: { id: string }) => id));
        path = /^<([^>]+)>; rel="next"$/.exec(response.headers.get('link') ?? '')?.[1];
        expect(nextCursor !== null).toBe(path !== undefined);
      }
      expect(seen).toEqual(expected);
    }
  });

  it('of deliveries can be filtered by status', async () => {
    const { id } = await owner.register(URL_OF_NOBODY);
    await owner.ok('POST', `/webhooks/${id}/test`);

    const [ping] = await owner.deliveries(id, '&status=pending');

    expect(ping).toMatchObject({ type: 'ping', jobId: null, status: 'pending', attempts: 0, nextAttemptAt: INSTANT });
    expect(await owner.deliveries(id, '&status=failed')).toEqual([]);
  });

  it.each([
    'webhooks?status=pending',
    'webhooks?limit=0',
    'webhooks?cursor=nonsense',
    'webhooks/ID/deliveries?status=done',
    'webhooks/ID/deliveries?status=',
    'webhooks/ID/deliveries?cursor=x',
    'webhooks/ID/deliveries?foo=1',
    'webhooks/ID?foo=1',
  ])('refuse %s', async (path) => {
    const { id } = await owner.register(URL_OF_NOBODY);

    const response = await owner.fetch(`/${path.replace('ID', id)}`);

    expect(response.status).toBe(400);
    expect((await refusalOf(response)).errors[0].parameter).toBe(/\?(\w+)/.exec(path)?.[1]);
  });

  it('refuse cursors of each other', async () => {
    const [{ id }] = [await owner.register(URL_OF_NOBODY), await owner.register(URL_OF_NOBODY)];
    const { nextCursor } = await owner.get('/webhooks?limit=1');
    const forged = unsigned('deliveries', "' or 1=1");

    for (const cursor of [nextCursor, forged]) {
      expect((await owner.fetch(`/webhooks/${id}/deliveries?cursor=${cursor}`)).status).toBe(400);
    }
  });

  it.each([
    '',
    '?since=',
    '?since=yesterday',
    '?since=2026-11-21',
    '?since=2026-02-30T00:00:00Z',
    '?since=2026-11-21T10:00:00',
    '?since=2026-11-21T25:00:00Z',
    '?since=2026-11-21T10:00:00Z&since=2026-11-21T10:00:00Z',
  ])('do not replay since “%s”', async (query) => {
    const { id } = await owner.register(URL_OF_NOBODY);

    const response = await owner.request('POST', `/webhooks/${id}/replay${query}`);

    expect(response.status).toBe(400);
    expect((await refusalOf(response)).errors[0].parameter).toBe('since');
  });
});

describe('a body', () => {
  const post = (body: string | Uint8Array, headers: Record<string, string> = {}) =>
    owner.fetch('/webhooks', {
      method: 'POST',
      body: body as string,
      headers: { 'Content-Type': 'application/json', ...headers },
    });

  it.each([
    [{}, '/url'],
    [{ url: 5 }, '/url'],
    [{ url: null }, '/url'],
    [{ url: ['https://8.8.8.8/'] }, '/url'],
    [{ url: `https://8.8.8.8/${'x'.repeat(2000)}` }, '/url'],
    [{ url: 'nowhere' }, '/url'],
    [{ url: URL_OF_NOBODY, events: [] }, '/events'],
    [{ url: URL_OF_NOBODY, events: null }, '/events'],
    [{ url: URL_OF_NOBODY, events: 'job.failed' }, '/events'],
    [{ url: URL_OF_NOBODY, events: ['job.started'] }, '/events'],
    [{ url: URL_OF_NOBODY, events: ['ping'] }, '/events'],
    [{ url: URL_OF_NOBODY, events: ['job.failed', 'job.failed'] }, '/events'],
    [{ url: URL_OF_NOBODY, events: [['job.failed']] }, '/events'],
    [{ url: URL_OF_NOBODY, description: 5 }, '/description'],
    [{ url: URL_OF_NOBODY, description: 'x'.repeat(501) }, '/description'],
    [{ url: URL_OF_NOBODY, description: 'a\0b' }, '/description'],
    [{ url: URL_OF_NOBODY, description: '\ud800' }, '/description'],
    [{ url: URL_OF_NOBODY, secret: 'whsec_mine' }, '/secret'],
    [{ url: URL_OF_NOBODY, enabled: false }, '/enabled'],
    [{ url: URL_OF_NOBODY, id: randomUUID() }, '/id'],
    [{ url: URL_OF_NOBODY, 'a/b~c': 1 }, '/a~1b~0c'],
    [JSON.parse(`{"url":"${URL_OF_NOBODY}","constructor":1}`), '/constructor'],
    [JSON.parse(`{"url":"${URL_OF_NOBODY}","__proto__":{"events":["ping"]}}`), '/__proto__'],
  ])('%j is refused at %s', async (body, pointer) => {
    const response = await post(JSON.stringify(body));

    expect(response.status).toBe(400);
    const { errors } = await refusalOf(response);
    expect(new Set(errors.map((error: any) => error.pointer))).toEqual(new Set([pointer]));
    expect((await owner.get('/webhooks')).items).toEqual([]);
  });

  it.each([{ url: null }, { events: null }, { enabled: null }, { enabled: 'no' }, { secret: 'mine' }, { id: 'x' }])(
    'of a change %j is refused',
    async (changes) => {
      const { id, secret: _, ...before } = await owner.register(URL_OF_NOBODY);

      const response = await owner.request('PATCH', `/webhooks/${id}`, changes);

      expect(response.status).toBe(400);
      expect((await refusalOf(response)).errors[0].pointer).toBe(`/${Object.keys(changes)[0]}`);
      expect(await owner.webhook(id)).toEqual({ ...before, id });
    },
  );

  it.each(['', '{', '[]', 'null', '"x"', '5', '{"url":"https://8.8.8.8/"}}', '\ufeff'])(
    '“%s” is a 400',
    async (text) => {
      expect((await refusalOf(await post(text))).status).toBe(400);
    },
  );

  it('that is not UTF-8 is a 400', async () => {
    expect((await post(new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]))).status).toBe(400);
  });

  it.each([
    { 'Content-Type': 'text/plain' },
    { 'Content-Type': 'application/x-www-form-urlencoded' },
    { 'Content-Type': 'application/json; charset=latin1' },
    { 'Content-Encoding': 'gzip' },
  ])('with %j is a 415', async (headers) => {
    const response = await post(JSON.stringify({ url: URL_OF_NOBODY }), headers as unknown as Record<string, string>);

    expect(await refusalOf(response)).toMatchObject({ status: 415, code: 'unsupported_media_type' });
  });

  it('may declare UTF-8', async () => {
    const headers = { 'Content-Type': 'Application/JSON; charset=UTF-8' };

    expect((await post(JSON.stringify({ url: URL_OF_NOBODY }), headers)).status).toBe(201);
  });

  it('of more than 64 KiB is a 413, before all of it has arrived', async () => {
    const { hostname, port } = new URL(server.url);
    const socket = connect(Number(port), hostname);
    await once(socket, 'connect');
    let answer = '';
    socket.on('data', (data) => (answer += String(data))).on('error', () => undefined);
    socket.write(
      'POST /webhooks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 999999\r\n\r\n',
    );
    socket.write(Buffer.alloc(70_000, ' '));

    await until('the answer has arrived', () => answer.includes('body_too_large'));

    expect(answer).toMatch(/^HTTP\/1\.1 413 /);
    socket.destroy();
  });
});

describe('a webhook in the OpenAPI description', () => {
  it('matches a real one', async () => {
    const { components, paths } = await server.get('/openapi.json');
    const endpoint = await owner.register(URL_OF_NOBODY);
    const delivery = await owner.ok('POST', `/webhooks/${endpoint.id}/test`);

    const { WebhookWithSecret, WebhookView, DeliveryView } = components.schemas;
    expect(Object.keys(WebhookWithSecret.properties).toSorted()).toEqual(Object.keys(endpoint).toSorted());
    expect(Object.keys(WebhookView.properties)).toEqual(Object.keys(await owner.webhook(endpoint.id)));
    expect(Object.keys(DeliveryView.properties)).toEqual(Object.keys(delivery));
    const described = Object.keys(paths).filter((path) => path.startsWith('/webhooks'));
    expect(described.toSorted()).toEqual([
      '/webhooks',
      '/webhooks/{id}',
      '/webhooks/{id}/deliveries',
      '/webhooks/{id}/deliveries/{deliveryId}/replay',
      '/webhooks/{id}/replay',
      '/webhooks/{id}/rotate-secret',
      '/webhooks/{id}/test',
    ]);
  });
});
