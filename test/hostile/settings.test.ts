import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ConfigError, loadConfig } from '../../src/settings/config.js';
import { aPatient, Sender, somePatients } from '../http/sender.js';
import { startTestServer, type TestServer } from '../setup/test-server.js';
import { HttpClient } from './http-client.js';

describe('configured limits', () => {
  let server: TestServer;
  let from: Sender;

  beforeAll(async () => {
    server = await startTestServer({
      MAX_RECORDS: 30,
      MAX_RECORD_BYTES: 1024,
      MAX_RECORD_DEPTH: 3,
      MAX_PAGE_SIZE: 20,
      MAX_HEADER_BYTES: 32 * 1024,
      MAX_URL_BYTES: 16 * 1024,
    });
    from = new Sender(server);
    await from.mirror('/patients', somePatients(30));
  });

  afterAll(() => server.close());

  it('apply to the number of records', async () => {
    const job = await from.mirror('/patients', somePatients(31));

    expect(job).toMatchObject({ status: 'failed', error: { code: 'too_many_records', record: 30 } });
    expect((await from.get('/patients?limit=20')).items).toHaveLength(20);
  });

  it.each([
    ['application/json', (record: string) => `[${record}]`],
    ['application/x-ndjson', (record: string) => record],
  ])('apply to the size and the depth of records in %s', async (contentType, body) => {
    const attempt = async (fields: Record<string, unknown>) => {
      const record = body(JSON.stringify(aPatient(fields)));
      const job = await from.mirror('/patients?mode=partial', record, { 'Content-Type': contentType });
      return job.error?.code ?? job.status;
    };

    expect(await attempt({ note: 'x'.repeat(800) })).toBe('completed');
    expect(await attempt({ note: 'x'.repeat(1024) })).toBe('record_too_large');
    expect(await attempt({ note: [[1]] })).toBe('completed');
    expect(await attempt({ note: [[[1]]] })).toBe('nesting_too_deep');
  });

  it('apply to the rows of tables', async () => {
    const table = `externalId,firstName,lastName\n1,${'x'.repeat(1100)},b\n`;

    const job = await from.mirror('/patients', table, { 'Content-Type': 'text/csv' });

    expect(job).toMatchObject({ status: 'failed', error: { code: 'record_too_large' } });
  });

  it('apply when records are read again to be reported', async () => {
    const other = new Sender(server);

    const job = await other.mirror('/patients', [aPatient({ firstName: 'Rick' }), aPatient({ firstName: 'Roy' })]);

    expect((await other.get(job.links.errors)).items).toMatchObject([{ index: 0, code: 'duplicate_external_id' }]);
  });

  it('apply to pages, also to those without a requested size', async () => {
    expect((await from.get('/patients')).items).toHaveLength(20);
    expect((await from.get('/patients?limit=20')).items).toHaveLength(20);
    for (const path of ['/patients', '/payments', '/sync/jobs', '/changes', '/webhooks']) {
      const refused = await from.fetch(`${path}?limit=21`);
      expect({ path, status: refused.status }).toEqual({ path, status: 400 });
      expect(await refused.json()).toMatchObject({ errors: [{ parameter: 'limit' }] });
    }
  });

  it('apply to headers and URLs', async () => {
    const client = new HttpClient(server);
    const ask = (path: string, note: string) => client.send({ method: 'GET', path, headers: { 'X-Note': note } });

    expect(await ask('/patients', 'x'.repeat(30_000))).toMatchObject({ status: 200 });
    expect(await ask('/patients', 'x'.repeat(33_000))).toMatchObject({ status: 431 });
    expect(await ask(`/nothing?${'x'.repeat(16_000)}`, '')).toMatchObject({ status: 404 });
    expect(await ask(`/nothing?${'x'.repeat(17_000)}`, '')).toMatchObject({ status: 414 });
    client.close();
  });
});

describe('a limit', () => {
  it.each([
    ['MAX_PAGE_SIZE', '1001'],
    ['MAX_PAGE_SIZE', '0'],
    ['MAX_RECORD_BYTES', '1023'],
    ['MAX_RECORD_BYTES', String(17 * 1024 ** 2)],
    ['MAX_RECORD_DEPTH', '1001'],
    ['MAX_HEADER_BYTES', '100'],
    ['MAX_URL_BYTES', '100'],
    ['MAX_CONNECTIONS', '1'],
    ['UPLOAD_IDLE_TIMEOUT_SECONDS', '0'],
    ['UPLOAD_MIN_BYTES_PER_SECOND', '-1'],
  ])('%s=%s is refused at startup', (name, value) => {
    expect(() => loadConfig({ [name]: value })).toThrow(ConfigError);
  });
});
