import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Redis } from 'ioredis';
import { randomBytes } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { Writable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { digestOf, newKey } from '../../src/access/key-text.js';
import type { JobView } from '../../src/sync/jobs/job-view.js';
import { aLine } from '../claims/biller.js';
import { killServerProcesses, SERVER, ServerProcess } from '../setup/server-process.js';
import { type Backend, backendsInTurn, createDatabase, query, REDIS_URL, until } from '../setup/test-server.js';
import { Receiver } from '../webhooks/receiver.js';

/** Stands for confidential data. It is found in any case and with any escaping. */
const CANARY = `kanarienvogel${randomBytes(6).toString('hex')}`;

/** The same for an amount. */
const AMOUNT = '918273.64';

const SOURCE = 'clinic';

/** Collects every answer about an error, all logs, and everything that is stored about jobs. */
class Evidence {
  private readonly texts: [where: string, text: string][] = [];

  add(where: string, text: string): void {
    this.texts.push([where, text]);
  }

  /** The places where the canary was found. */
  findings(): string[] {
    return this.texts.flatMap(([where, text]) => {
      const at = Math.max(text.toLowerCase().indexOf(CANARY), text.indexOf(AMOUNT));
      return at < 0 ? [] : [`${where}: …${text.slice(Math.max(0, at - 60), at + CANARY.length + 20)}…`];
    });
  }

  get size(): number {
    return this.texts.reduce((sum, [, text]) => sum + text.length, 0);
  }
}

describe.each(backendsInTurn(1))('on the %s queue', (backend) => {
  const evidence = new Evidence();
  const log: Buffer[] = [];
  const key = newKey();
  const QUEUE_PREFIX = `t${randomBytes(4).toString('hex')}`;
  let databaseUrl: string;
  let server: ServerProcess;
  let receiver: Receiver;

  beforeAll(async () => {
    databaseUrl = await createDatabase();
    receiver = await Receiver.start();
    server = await ServerProcess.start(
      {
        NODE_ENV: 'test',
        AUTH: 'keys',
        PORT: '0',
        LOG_LEVEL: 'debug',
        DATABASE_URL: databaseUrl,
        REDIS_URL: backend === 'redis' ? REDIS_URL : undefined,
        QUEUE_PREFIX,
        WEBHOOK_TARGETS: 'any',
        MAX_ATTEMPTS: '2',
        PAYMENT_ATTEMPTS: '2',
        PAYMENT_RETRY_MS: '10',
        MAX_BODY_BYTES: '100000',
      },
      { main: SERVER, log: new Writable({ write: (chunk, _, done) => (log.push(chunk), done()) }) },
    );
    await query(
      databaseUrl,
      `with clinic as (insert into source (name) values ($1) returning id)
       insert into access_key (id, name, hash, source_id, scopes)
       select gen_random_uuid(), 'everything', $2, id, '{submit,read,approve,ops}' from clinic`,
      [SOURCE, digestOf(key)],
    );
  });

  afterEach(killServerProcesses);

  afterAll(() => receiver.close());

  it('the contents of records appear only in answers to requests for them', async () => {
    await processValidData();
    await sendRefusedRequests();
    await causeDatabaseErrors();
    await causeAFailedPayment();
    await record('/metrics', {}, 'metrics');
    await until('the webhooks are sent', () => receiver.requests.length > 5);
    await server.stop();

    evidence.add('log', Buffer.concat(log).toString());
    for (const { path, text, headers } of receiver.requests)
      evidence.add(`webhook ${path}`, text + JSON.stringify(headers));
    for (const [where, text] of await queueContents(backend, QUEUE_PREFIX, databaseUrl)) evidence.add(where, text);
    for (const table of [
      'sync_job',
      'webhook_delivery',
      'mirror_state',
      'mirror_commit',
      'job_heartbeat',
      'source',
      'access_key',
      'audit_entry',
      'rate_limit',
      'claim_provider',
    ]) {
      evidence.add(`table ${table}`, await tableText(databaseUrl, table));
    }
    evidence.add(
      'names of tables and indexes',
      JSON.stringify(await query(databaseUrl, 'select relname from pg_class')),
    );

    expect(evidence.findings()).toEqual([]);
    expect(evidence.size).toBeGreaterThan(20_000);
  }, 120_000);

  /** Runs every kind of job, with the canary in every text. */
  async function processValidData(): Promise<void> {
    await record('/webhooks', { method: 'POST', body: { url: receiver.url(), description: CANARY } }, 'quiet');
    const first = await submit('/patients', [
      patient('1'),
      patient('2'),
      patient('2'),
      patient('3', { dateOfBirth: CANARY }),
      { [CANARY]: 1 },
      CANARY,
    ]);
    expect(first).toMatchObject({ status: 'completed', counts: { created: 2, rejected: 4 } });
    await submit('/payments', [
      { externalId: 'a', patientId: '9', amount: CANARY },
      { externalId: 'b', patientId: '1', amount: '1.00', [`x${CANARY}`]: CANARY },
    ]);
    await submit(
      '/patients',
      `externalId,firstName,lastName,${CANARY}\n1,${CANARY},${CANARY},${CANARY}\n`,
      { 'Content-Type': 'text/csv' },
      '?mode=partial',
    );
    const held = await submit('/patients', [patient('7')], {}, '?deletes=hold');
    await record(`/sync/jobs/${held.id}/approve`, { method: 'POST' }, 'approved');
    await settled(held.id);
    await record(`/sync/jobs/${held.id}/revert?deletes=apply`, { method: 'POST' }, 'reverted');
    await record(`/sync/jobs/${first.id}/replay?`, { method: 'POST' }, 'replayed');
    await submit('/patients', [patient('1')], {}, '?dryRun=true&deletes=apply');
    const claim = await record(
      '/claims',
      { method: 'POST', body: { lines: [claimLine()], external_claim_id: CANARY } },
      'quiet',
    );
    const { id } = JSON.parse(claim.text) as { id: string };
    await until('the claim is paid', async () => (await ask('/claims?payment_status=settled')).text.includes(id));
    // Answers to the owner contain it, which shows that it was stored.
    for (const path of [
      `/patients?q=${CANARY}`,
      '/patients/1',
      '/patients/1/history',
      '/claims',
      `/claims/${id}`,
      '/changes',
      `/sync/jobs/${first.id}/errors`,
      `/sync/jobs/${first.id}/snapshot`,
    ]) {
      expect({ path, text: (await ask(path)).text.toLowerCase() }).toEqual({
        path,
        text: expect.stringContaining(CANARY),
      });
    }
  }

  /** Sends everything that can be refused, with the canary in every part that a caller controls. */
  async function sendRefusedRequests(): Promise<void> {
    for (const body of [
      `[{"externalId":"${CANARY}"`,
      `[{"firstName":"${CANARY}",}]`,
      `[${CANARY}]`,
      `{"${CANARY}":"\u0000"}`,
      `["${CANARY}\\x"]`,
    ]) {
      await submit('/patients', body);
    }
    await submit('/patients', `externalId,firstName\n"1","${CANARY}" ${CANARY}\n`, { 'Content-Type': 'text/csv' });
    await submit('/patients', `{"externalId":"1","firstName":"${CANARY}"\n`, {
      'Content-Type': 'application/x-ndjson',
    });
    const refused: [path: string, init: Asked][] = [
      ['/patients', { method: 'POST', body: CANARY }],
      ['/patients', { method: 'POST', body: `[${' '.repeat(200_000)}"${CANARY}"]` }],
      [
        '/patients',
        { method: 'POST', body: gzipSync(`["${CANARY}"]`).subarray(0, 30), headers: { 'Content-Encoding': 'gzip' } },
      ],
      ['/patients', { method: 'POST', body: [], headers: { 'Content-Type': `text/${CANARY}` } }],
      ['/patients', { method: 'POST', body: [], headers: { 'Content-Encoding': CANARY } }],
      ['/patients', { method: 'POST', body: [], headers: { 'Content-Digest': CANARY } }],
      ['/patients', { method: 'POST', body: [], headers: { 'Idempotency-Key': CANARY.repeat(20) } }],
      [`/patients?mode=${CANARY}`, { method: 'POST', body: [] }],
      [`/patients?unknown=${CANARY}`, {}],
      [`/patients?limit=${CANARY}&cursor=${CANARY}`, {}],
      [`/patients?cursor=${Buffer.from(JSON.stringify([CANARY])).toString('base64url')}`, {}],
      [`/payments?limit=${CANARY}`, {}],
      [`/changes?after=${CANARY}`, {}],
      [`/sync/jobs?status=${CANARY}`, {}],
      [`/sync/jobs?source=${CANARY}`, {}],
      ['/patients', { headers: { 'X-Source': CANARY } }],
      ['/patients', { headers: { 'X-Source': `${CANARY}!` } }],
      ['/patients', { headers: { Authorization: `Bearer ${CANARY}`, 'X-API-Key': '' } }],
      [
        '/docs',
        { headers: { Authorization: `Basic ${Buffer.from(`a:${CANARY}`).toString('base64')}`, 'X-API-Key': '' } },
      ],
      [
        '/patients/none',
        {
          headers: {
            Prefer: CANARY,
            Cookie: CANARY,
            Referer: `http://${CANARY}/`,
            'User-Agent': CANARY,
            'X-Forwarded-For': CANARY,
          },
        },
      ],
      ['/patients/none', { headers: { 'X-Request-Id': `${CANARY}!` } }],
      ['/claims', { method: 'POST', body: [claimLine({ [`x${CANARY}`]: CANARY, provider_npi: CANARY })] }],
      ['/claims', { method: 'POST', body: [claimLine({ service_date: CANARY, provider_fees: CANARY })] }],
      ['/claims', { method: 'POST', body: [CANARY, { submitted_procedure: CANARY }] }],
      ['/claims', { method: 'POST', body: `[{"${CANARY}"` }],
      ['/claims', { method: 'POST', body: `${CANARY},"${CANARY}`, headers: { 'Content-Type': 'text/csv' } }],
      ['/claims', { method: 'POST', body: { lines: [claimLine({ quadrant: 'UL' })], external_claim_id: CANARY } }],
      [`/claims?provider_npi=${CANARY}&payment_status=${CANARY}`, {}],
      [`/providers/top?limit=${CANARY}`, {}],
      ['/webhooks', { method: 'POST', body: { url: `ftp://${CANARY}/` } }],
      ['/webhooks', { method: 'POST', body: { url: CANARY, unknown: CANARY, events: [CANARY] } }],
      ['/webhooks', { method: 'POST', body: `{"url": "${CANARY}` }],
    ];
    for (const [path, init] of refused) await record(path, init, `refused ${path.split('?')[0]}`);
  }

  /** Makes the database refuse rows: its error messages quote them. */
  async function causeDatabaseErrors(): Promise<void> {
    await query(databaseUrl, `alter table patient add constraint no_such_name check (last_name <> '${CANARY} 8')`);
    const failed = await submit('/patients', [patient('8', { lastName: `${CANARY} 8` })], {}, '?mode=partial');
    expect(failed).toMatchObject({ status: 'failed', error: { code: 'too_many_attempts' } });
    await query(databaseUrl, 'alter view patient_of_source rename to elsewhere');
    const broken = await record(`/patients?q=${CANARY}`, {}, 'a query that fails');
    expect(broken.status).toBe(500);
    await query(databaseUrl, 'alter view elsewhere rename to patient_of_source');
    await query(
      databaseUrl,
      `alter table claim_line add constraint no_such_quadrant check (quadrant <> '${CANARY} 8')`,
    );
    const body = [claimLine({ quadrant: `${CANARY} 8` })];
    expect((await record('/claims', { method: 'POST', body }, 'a claim that fails')).status).toBe(500);
  }

  /** Makes the database refuse a payment. Its message ends in the dead-letter queue. */
  async function causeAFailedPayment(): Promise<void> {
    await query(databaseUrl, `alter table claim_payment add constraint no_such_amount check (net_fee <> ${AMOUNT})`);
    await query(
      databaseUrl,
      `insert into payment_notification (source_id, claim_id, net_fee)
       select id, gen_random_uuid(), ${AMOUNT} from source where name = $1`,
      [SOURCE],
    );
    const failed = '/claim-payments/notifications?status=failed';
    await until('it has failed', async () => JSON.parse((await ask(failed)).text).items.length > 0);
    await record(failed, {}, 'failed payments');
    await record('/claim-payments/states', {}, 'states of payments');
    await until('it is a dead letter', async () => {
      const [row] = await query(
        databaseUrl,
        'select bool_and(relayed_at is not null) as all from payment_notification',
      );
      return row.all;
    });
  }

  interface Asked {
    method?: string;
    headers?: Record<string, string>;
    body?: unknown;
  }

  /** Sends the key, unless the headers contain another one. */
  async function ask(
    path: string,
    { method = 'GET', headers = {}, body }: Asked = {},
  ): Promise<{ status: number; text: string; headers: string }> {
    const isRaw = typeof body === 'string' || body instanceof Uint8Array;
    const sent = body === undefined || isRaw ? body : JSON.stringify(body);
    return new Promise((resolve, reject) => {
      const sending = httpRequest(new URL(path, server.url), {
        method,
        headers: { 'X-API-Key': key, 'Content-Type': 'application/json', ...headers },
      });
      sending.once('error', reject).once('response', (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.once('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            text: Buffer.concat(chunks).toString(),
            headers: JSON.stringify(response.headers),
          }),
        );
      });
      sending.end(sent);
    });
  }

  /** Sends a request whose answer must not contain the canary, and adds it to the evidence unless `where` is `quiet`. */
  async function record(path: string, asked: Asked, where: string) {
    const answer = await ask(path, asked);
    if (where !== 'quiet') evidence.add(`${where}: ${answer.status}`, `${answer.headers} ${answer.text}`);
    return answer;
  }

  async function submit(
    path: string,
    body: unknown,
    headers: Record<string, string> = {},
    options = '',
  ): Promise<JobView> {
    const { text } = await ask(path + options, {
      method: 'POST',
      body,
      headers: { Prefer: 'wait=30', 'Idempotency-Key': `${CANARY} ${randomBytes(4).toString('hex')}`, ...headers },
    });
    const job = JSON.parse(text) as JobView;
    // Warnings name unknown fields to their sender.
    evidence.add(`job of ${path}`, JSON.stringify({ ...job, warnings: [] }));
    return job;
  }

  async function settled(id: string): Promise<void> {
    await until(`${id} is over`, async () => JSON.parse((await ask(`/sync/jobs/${id}`)).text).finishedAt !== null);
  }
});

function claimLine(fields = {}) {
  return aLine({ plan_group_number: CANARY, subscriber_number: CANARY.toUpperCase(), quadrant: CANARY, ...fields });
}

function patient(externalId: string, fields = {}) {
  return {
    externalId,
    firstName: `${CANARY} ${externalId}`,
    middleName: CANARY,
    lastName: CANARY.toUpperCase(),
    ...fields,
  };
}

/** Everything that the queue stores, as text. */
async function queueContents(backend: Backend, prefix: string, databaseUrl: string): Promise<[string, string][]> {
  if (backend === 'postgresql') {
    const tables = await query(databaseUrl, `select schemaname, tablename from pg_tables where schemaname = $1`, [
      `bullmq_${prefix}`,
    ]);
    expect(tables.length).toBeGreaterThan(0);
    return Promise.all(
      tables.map(async ({ schemaname, tablename }): Promise<[string, string]> => [
        `queue ${tablename}`,
        await tableText(databaseUrl, `${schemaname}.${tablename}`),
      ]),
    );
  }
  const redis = new Redis(REDIS_URL);
  try {
    const keys = await redis.keys(`*${prefix}*`);
    expect(keys.length).toBeGreaterThan(0);
    return await Promise.all(
      keys.map(async (name): Promise<[string, string]> => [`redis ${name}`, name + (await redisText(redis, name))]),
    );
  } finally {
    redis.disconnect();
  }
}

async function redisText(redis: Redis, name: string): Promise<string> {
  const type = await redis.type(name);
  if (type === 'string') return String(await redis.get(name));
  if (type === 'hash') return JSON.stringify(await redis.hgetall(name));
  if (type === 'list') return JSON.stringify(await redis.lrange(name, '0', '-1'));
  if (type === 'set') return JSON.stringify(await redis.smembers(name));
  if (type === 'zset') return JSON.stringify(await redis.zrange(name, '0', '-1'));
  return JSON.stringify(await redis.xrange(name, '-', '+'));
}

/** The rows of a table as text, without the names of unknown fields, which the sender may see. */
async function tableText(databaseUrl: string, table: string): Promise<string> {
  const [known] = await query(databaseUrl, 'select to_regclass($1) is not null as known', [table]);
  if (!known.known) throw new Error(`there is no table ${table}`);
  const [row] = await query(
    databaseUrl,
    `select coalesce(string_agg((to_jsonb(t) - '{warnings,net_fee}'::text[])::text, ' '), '') as text from ${table} t`,
  );
  return row.text;
}
