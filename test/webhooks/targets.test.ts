import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import tls from 'node:tls';
import type { Resolve } from '../../src/http/checked-lookup.js';
import { Refusal } from '../../src/http/refusal.js';
import { WebhookPost } from '../../src/webhooks/webhook-post.js';
import { WebhookTargets } from '../../src/webhooks/webhook-targets.js';
import { startTestServer, type TestServer } from '../setup/test-server.js';
import { Receiver } from './receiver.js';
import { WebhookOwner } from './webhook-owner.js';

const PUBLIC = '93.184.216.34';

/** Every spelling in a URL of an address in an internal network. */
const INSIDE = [
  'https://127.0.0.1/',
  'https://127.1/',
  'https://0x7f.1/',
  'https://0x7f000001/',
  'https://2130706433/',
  'https://017700000001/',
  'https://0177.0.0.1/',
  'https://127.0.0.1./',
  'https://１２７.0.0.1/',
  'https://127。0。0。1/',
  'https://%31%32%37.0.0.1/',
  'https:\\\\127.0.0.1\\',
  'https://0/',
  'https://0.0.0.0:8443/',
  'https://10.0.0.1/',
  'https://172.16.0.1/',
  'https://192.168.0.1/',
  'https://100.64.0.1/',
  'https://169.254.169.254/latest/meta-data/',
  'https://2852039166/',
  'https://224.0.0.1/',
  'https://255.255.255.255/',
  'https://[::]/',
  'https://[::1]/',
  'https://[0:0:0:0:0:0:0:1]/',
  'https://[::ffff:10.0.0.1]/',
  'https://[::ffff:7f00:1]/',
  'https://[::ffff:8.8.8.8]/',
  'https://[::127.0.0.1]/',
  'https://[64:ff9b::10.0.0.1]/',
  'https://[2002:7f00:1::]/',
  'https://[fe80::1]/',
  'https://[fd00::1]/',
  'https://[ff02::1]/',
  'https://localhost/',
  'https://LOCALHOST:3000/',
  'https://localhost./',
  'https://ⓛocalhost/',
  'https://any.localhost/',
  'https://printer.local/',
  'https://metadata.google.internal/',
];

/** Every name resolves to these addresses. */
const toAddresses =
  (...addresses: string[]): Resolve =>
  () =>
    Promise.resolve(addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })));

const nowhere: Resolve = () => Promise.reject(Object.assign(new Error('no such name'), { code: 'ENOTFOUND' }));

async function codeOf(accepted: Promise<string>): Promise<string> {
  return accepted.then(
    () => 'accepted',
    (error: unknown) => (error instanceof Refusal ? error.code : 'failed'),
  );
}

const send = (targets: WebhookTargets, url: string) =>
  new WebhookPost(targets, 5_000).send({ url, headers: {}, body: '{"type":"ping"}' }, new AbortController().signal);

describe('the address of a webhook', () => {
  it.each(INSIDE)('is refused at its registration and at each connection: %s', async (url) => {
    const targets = new WebhookTargets('public', toAddresses(PUBLIC));

    expect(await codeOf(targets.accept(url))).toBe('target_not_public');
    expect(await send(targets, url)).toEqual({ responseStatus: null, reason: 'target_not_public' });
  });

  it.each([
    ['http://example.org/', 'https_required'],
    ['http://127.0.0.1/', 'https_required'],
    ['ftp://example.org/', 'invalid_url'],
    ['file:///etc/passwd', 'invalid_url'],
    ['javascript:alert(1)', 'invalid_url'],
    ['data:text/plain,x', 'invalid_url'],
    ['example.org/hook', 'invalid_url'],
    ['//example.org/hook', 'invalid_url'],
    ['', 'invalid_url'],
    ['https://', 'invalid_url'],
    ['https://user@example.org/', 'invalid_url'],
    ['https://user:secret@example.org/', 'invalid_url'],
    ['https://example.org@127.0.0.1/', 'invalid_url'],
    ['https://256.256.256.256/', 'invalid_url'],
    ['https://exa mple.org/', 'invalid_url'],
    ['https://[fe80::1%25eth0]/', 'invalid_url'],
  ])('%s is refused as %s', async (url, code) => {
    expect(await codeOf(new WebhookTargets('public', toAddresses(PUBLIC)).accept(url))).toBe(code);
  });

  it.each([
    ['https://example.org', 'https://example.org/'],
    ['HTTPS://EXAMPLE.org:443/Hook?key=1', 'https://example.org/Hook?key=1'],
    ['https://example.org:8443/', 'https://example.org:8443/'],
    ['https://134744072/', 'https://8.8.8.8/'],
    ['https://[2606:4700:4700::1111]/', 'https://[2606:4700:4700::1111]/'],
    ['https://bücher.example/', 'https://xn--bcher-kva.example/'],
  ])('%s is kept as %s', async (url, kept) => {
    expect(await new WebhookTargets('public', toAddresses(PUBLIC)).accept(url)).toBe(kept);
  });

  it.each([
    ['one private address', ['10.0.0.1']],
    ['a private one among public ones', [PUBLIC, '2606:4700:4700::1111', '127.0.0.1']],
    ['a mapped one', ['::ffff:10.0.0.1']],
    ['none at all', []],
  ])('is refused if its name resolves to %s', async (_, addresses) => {
    const targets = new WebhookTargets('public', toAddresses(...addresses));

    expect(await codeOf(targets.accept('https://rebind.example/'))).toBe('target_not_public');
    expect(await send(targets, 'https://rebind.example/')).toMatchObject({ reason: 'target_not_public' });
  });

  it('is accepted if its name does not resolve yet or in time, as each connection checks again', async () => {
    const silent: Resolve = () => new Promise(() => {});

    expect(await codeOf(new WebhookTargets('public', nowhere).accept('https://soon.example/'))).toBe('accepted');
    expect(await codeOf(new WebhookTargets('public', silent).accept('https://slow.example/'))).toBe('accepted');
    const outcome = await send(new WebhookTargets('public', nowhere), 'https://soon.example/');
    expect(outcome).toEqual({ responseStatus: null, reason: 'name_not_resolved' });
  });

  it('has its name looked up beside a limited number of others', async () => {
    let lookups = 0;
    const silent: Resolve = () => {
      lookups += 1;
      return new Promise(() => {});
    };
    const targets = new WebhookTargets('public', silent);

    const codes = await Promise.all(Array.from({ length: 40 }, () => codeOf(targets.accept('https://slow.example/'))));

    expect(codes).toEqual(codes.map(() => 'accepted'));
    expect(lookups).toBe(16);
  });
});

describe('a connection', () => {
  let server: https.Server;
  let url: string;
  let requests: string[] = [];

  beforeAll(async () => {
    const [key, cert] = ['key', 'certificate'].map((what) =>
      readFileSync(new URL(`receiver-${what}.pem`, import.meta.url)),
    );
    tls.setDefaultCACertificates([...tls.getCACertificates('default'), String(cert)]);
    server = https.createServer({ key, cert }, (request, response) => {
      requests.push(`${request.headers.host} ${request.socket.remotePort}`);
      response.end();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = `https://receiver.example:${(server.address() as AddressInfo).port}/hook`;
  });

  beforeEach(() => {
    requests = [];
  });

  afterAll(async () => {
    server.close();
    await once(server, 'close');
  });

  it('uses TLS to the address that was looked up and with the registered name, each time again', async () => {
    const targets = new WebhookTargets('any', toAddresses('127.0.0.1'));

    expect(await send(targets, url)).toEqual({ responseStatus: 200, reason: null });
    expect(await send(targets, url)).toEqual({ responseStatus: 200, reason: null });

    expect(requests).toHaveLength(2);
    expect(new Set(requests).size).toBe(2);
    expect(requests[0]).toContain(new URL(url).host);
  });

  it('is not made to a server with a certificate for another name', async () => {
    const targets = new WebhookTargets('any', toAddresses('127.0.0.1'));

    const outcome = await send(targets, url.replace('receiver.example', 'other.example'));

    expect(outcome).toEqual({ responseStatus: null, reason: 'tls_failed' });
    expect(requests).toEqual([]);
  });

  it('is not made if the name has changed to an internal address since its registration', async () => {
    const answers = [PUBLIC, '127.0.0.1'];
    const targets = new WebhookTargets('public', () => toAddresses(answers.shift() ?? '')(''));

    expect(await targets.accept(url)).toBe(url);
    expect(await send(targets, url)).toEqual({ responseStatus: null, reason: 'target_not_public' });

    expect(answers).toEqual([]);
    expect(requests).toEqual([]);
  });

  it('resolves a name only once, so that it cannot change between check and connection', async () => {
    let lookups = 0;
    const targets = new WebhookTargets('any', (name) => {
      lookups += 1;
      return toAddresses('127.0.0.1')(name);
    });

    await send(targets, url);

    expect(lookups).toBe(1);
  });
});

describe('a server with the default settings', () => {
  let server: TestServer;
  let receiver: Receiver;

  beforeAll(async () => {
    receiver = await Receiver.start();
    server = await startTestServer();
  });

  afterAll(async () => {
    await server.close();
    await receiver.close();
  });

  it.each(['http://127.0.0.1:1/', 'https://127.0.0.1/', 'https://[::1]/', 'https://localhost/', 'https://10.1.2.3/'])(
    'registers no webhook at %s',
    async (url) => {
      const response = await new WebhookOwner(server).request('POST', '/webhooks', { url });

      expect(response.status).toBe(400);
      expect(await response.json()).toMatchObject({ status: 400, errors: [{ pointer: '/url' }] });
    },
  );

  it('changes no webhook to such an address either', async () => {
    const owner = new WebhookOwner(server);
    const { id, url } = await owner.register('https://8.8.8.8/hook');

    const response = await owner.request('PATCH', `/webhooks/${id}`, { url: 'https://127.0.0.1/' });

    expect([response.status, (await owner.webhook(id)).url]).toEqual([400, url]);
  });

  it('sends nothing to an address that was registered when it was allowed', async () => {
    const owner = new WebhookOwner(server);
    const { id } = await owner.register('https://8.8.8.8/hook');
    await server.query('update webhook_endpoint set url = $2 where id = $1', [id, receiver.url()]);

    await owner.ok('POST', `/webhooks/${id}/test`);

    const delivery = await owner.delivery(id, 'tried', (one) => one.reason);
    expect(delivery).toMatchObject({ status: 'pending', reason: 'target_not_public', responseStatus: null });
    expect(receiver.requests).toEqual([]);
  });
});
