import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '../../src/settings/config.js';
import { startTestServer, type TestServer, until } from '../setup/test-server.js';
import { WebhookOwner } from './webhook-owner.js';

const page = readFileSync(new URL('../../docs/webhooks.md', import.meta.url), 'utf8');

describe('the receiver in docs/webhooks.md', () => {
  let directory: string;
  let server: TestServer;
  let program: ChildProcess;
  let output = '';

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'counterpart-receiver-'));
    server = await startTestServer({ WEBHOOK_TARGETS: 'any', WEBHOOK_RETRY_SECONDS: [] });
  });

  afterAll(async () => {
    program.kill();
    await once(program, 'exit');
    await server.close();
    rmSync(directory, { recursive: true });
  });

  it('accepts a webhook that is signed with its secret, once, and nothing else', async () => {
    const owner = new WebhookOwner(server);
    const { id, secret } = await owner.register('http://127.0.0.1:9/');
    const [, code] = /```js\n([^]+?)```/.exec(page) ?? [];
    const file = join(directory, 'receiver.mjs');
    writeFileSync(file, code ?? '');
    const env = { WEBHOOK_SECRET: secret, PORT: '0' };
    program = spawn(process.execPath, [file], { env, stdio: ['ignore', 'pipe', 'inherit'] });
    program.stdout?.on('data', (data) => (output += String(data)));
    await until('it listens', () => /^port \d+$/m.test(output));
    const url = `http://127.0.0.1:${/^port (\d+)$/m.exec(output)?.[1]}/`;

    await owner.ok('PATCH', `/webhooks/${id}`, { url });
    const ping = await owner.ok('POST', `/webhooks/${id}/test`);
    expect(await owner.settledAs(id, 'delivered')).toMatchObject({ responseStatus: 204 });
    await owner.ok('POST', `/webhooks/${id}/deliveries/${ping.id}/replay`);
    await owner.settledAs(id, 'delivered');
    expect((await fetch(url, { method: 'POST', body: '{"type":"forged"}' })).status).toBe(401);
    await server.query("update webhook_endpoint set secret = 'whsec_' || encode('other', 'base64')");
    await owner.ok('POST', `/webhooks/${id}/test`);

    expect(await owner.settledAs(id, 'failed')).toMatchObject({ responseStatus: 401 });
    expect(output.trim().split('\n').slice(1)).toEqual(['ping']);
  });
});

describe('docs/webhooks.md', () => {
  it('states the schedule and the limits of the settings', () => {
    const config = loadConfig({});
    const units: Record<string, number> = { s: 1, min: 60, h: 3600 };
    const row = page.split('\n').find((line) => line.startsWith('| comes in')) ?? '';

    const told = [...row.matchAll(/\| (\d+) (s|min|h) after/g)].map(
      ([, count, unit]) => Number(count) * (units[unit ?? ''] ?? 0),
    );

    expect(told).toEqual(config.WEBHOOK_RETRY_SECONDS);
    expect(page).toContain(`at most ${config.WEBHOOK_MAX_ENDPOINTS} for each source`);
    expect(page).toContain(`within ${config.WEBHOOK_TIMEOUT_SECONDS} seconds`);
    expect(page).toContain(`for ${config.WEBHOOK_DISABLE_AFTER_DAYS} days though it was tried`);
    expect(page).toContain(`kept for ${config.WEBHOOK_RETENTION_DAYS} days`);
  });
});
