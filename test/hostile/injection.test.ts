import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { aLine } from '../claims/biller.js';
import { aPatient, aPayment, Sender } from '../http/sender.js';
import { oneIn } from '../setup/exhaustive.js';
import { startTestServer, type TestServer } from '../setup/test-server.js';
import { HttpClient, type HttpResponse, violationOf } from './http-client.js';
import { describedOperations, namesInPath, type Operation, validRequest, withPart, withQuery } from './operations.js';
import { ENCODED_PAYLOADS, PAYLOADS } from './payloads.js';

/** Time for thousands of requests on a busy machine. */
const MANY_MS = 180_000;

/** Inherited and otherwise special property names, which queries and records must treat like any other name. */
const INHERITED = ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', '__defineGetter__', 'then'];

let server: TestServer;
let client: HttpClient;
let untouched: Sender;
let operations: Operation[];
let before: unknown;

beforeAll(async () => {
  server = await startTestServer({
    WEBHOOK_TARGETS: 'any',
    WEBHOOK_MAX_ENDPOINTS: 1000,
    TOP_PROVIDERS_PER_MINUTE: 1_000_000,
  });
  client = new HttpClient(server);
  untouched = new Sender(server);
  await untouched.mirror('/patients', [aPatient()]);
  await untouched.mirror('/payments', [aPayment()]);
  const attacked = new Sender(server, 'default');
  await attacked.mirror('/patients', [aPatient()]);
  const job = await attacked.mirror('/payments', [aPayment()]);
  const webhook = await (
    await attacked.post('/webhooks', { url: 'http://127.0.0.1:9/', events: ['job.failed'] })
  ).json();
  const claim: any = await (await attacked.post('/claims', [aLine()])).json();
  operations = await describedOperations(server, {
    job: job.id,
    webhook: (webhook as { id: string }).id,
    claim: claim.id,
  });
  before = await state();
});

afterAll(async () => {
  client.close();
  await server.close();
});

async function state(): Promise<unknown> {
  return {
    patients: await untouched.get('/patients'),
    payments: await untouched.get('/payments'),
    jobs: await untouched.jobs(),
    tables: await server.query(`select relname from pg_class where relnamespace = 'public'::regnamespace order by 1`),
  };
}

function refused(answer: HttpResponse): string | null {
  return violationOf(answer) ?? (answer.status === 400 ? null : `${answer.status} ${answer.text.slice(0, 200)}`);
}

describe('an attack', () => {
  it(
    'in any path causes no error',
    async () => {
      const attacks = operations
        .filter(({ route }) => route.includes('{'))
        .flatMap((operation) => {
          const parts = [...PAYLOADS.map((text) => encodeURIComponent(text)), ...ENCODED_PAYLOADS];
          return namesInPath(operation).flatMap((name) => parts.map((part) => withPart(operation, name, part)));
        });

      expect(attacks.length).toBeGreaterThan(500);
      expect(await client.violations(oneIn(4, attacks))).toEqual([]);
    },
    MANY_MS,
  );

  it(
    'in any query parameter causes no error',
    async () => {
      const attacks = operations.flatMap((operation) =>
        operation.parameters
          .filter((parameter) => parameter.in === 'query')
          .flatMap(({ name }) => [
            ...PAYLOADS.map((text) => withQuery(operation, `${name}=${encodeURIComponent(text)}`)),
            ...ENCODED_PAYLOADS.map((text) => withQuery(operation, `${name}=${text}`)),
          ]),
      );

      expect(attacks.length).toBeGreaterThan(1000);
      expect(await client.violations(oneIn(4, attacks))).toEqual([]);
    },
    MANY_MS,
  );

  it(
    'as the name of a query parameter causes no error',
    async () => {
      const attacks = operations.flatMap((operation) => [
        ...PAYLOADS.filter((text) => text.length < 100 && text !== '').map((text) =>
          withQuery(operation, `${encodeURIComponent(text)}=1`),
        ),
        ...ENCODED_PAYLOADS.map((text) => withQuery(operation, `${text}=1`)),
      ]);

      expect(await client.violations(oneIn(4, attacks))).toEqual([]);
    },
    MANY_MS,
  );

  it(
    'in any header causes no error',
    async () => {
      const standard = ['Accept', 'Accept-Encoding', 'Content-Type', 'Content-Encoding', 'Authorization', 'X-API-Key'];
      const more = ['X-Request-Id', 'X-Forwarded-For', 'X-Forwarded-Host', 'Host', 'Origin', 'Range', 'Cookie'];
      // Node's HTTP client refuses to send other characters.
      const sendable = PAYLOADS.map((text) => text.replaceAll(/[\r\n\0]/g, '')).map((text) =>
        Buffer.from(text).toString('latin1'),
      );
      const texts = [...new Set(sendable)].filter((text) => !/[^\t\x20-\x7e\x80-\xff]/.test(text));
      // Common headers are read in one place, so a few routes are enough for them.
      const few = ['GET /patients', 'POST /payments', 'GET /sync/jobs/{id}/errors'];
      const attacks = operations.flatMap((operation) => {
        const described = operation.parameters.filter((parameter) => parameter.in === 'header').map(({ name }) => name);
        const isOneOfFew = few.includes(`${operation.method} ${operation.route}`);
        const names = isOneOfFew
          ? [...described, ...standard, ...more]
          : described.filter((name) => name !== 'X-Source');
        return names.flatMap((name) =>
          texts.map((text) => {
            const valid = validRequest(operation);
            // A refused body takes less time than a job, and headers are checked before the body.
            const body = valid.body === '[]' && name !== 'Idempotency-Key' ? '<' : valid.body;
            return { ...valid, body, headers: { ...valid.headers, [name]: text } };
          }),
        );
      });

      expect(await client.violations(oneIn(4, attacks))).toEqual([]);
    },
    MANY_MS,
  );

  it(
    'in any field of a JSON body causes no error',
    async () => {
      const attacks = operations.flatMap((operation) =>
        operation.fields.flatMap((field) =>
          [...PAYLOADS, null, 1, true, [], {}, [[]], [null], { toString: 1 }].map((value) => ({
            ...validRequest(operation),
            body: JSON.stringify({ url: 'http://127.0.0.1:9/', [field]: value }),
          })),
        ),
      );

      expect(attacks.length).toBeGreaterThan(100);
      expect(await client.violations(oneIn(4, attacks))).toEqual([]);
    },
    MANY_MS,
  );

  it('in fields and values of records causes no error', async () => {
    const fields = ['externalId', 'firstName', 'lastName', 'middleName', 'dateOfBirth', 'patientId', 'amount'];
    const values = [...PAYLOADS, null, 1, true, [], {}, 1.5e300];
    const records = [
      ...fields.flatMap((field) =>
        values.map((value, n) => ({ ...aPatient(), ...aPayment(), externalId: `${field} ${n}`, [field]: value })),
      ),
      ...PAYLOADS.map((name, n) => ({ ...aPatient({ externalId: `name ${n}` }), [name]: name })),
    ];
    const from = new Sender(server);

    for (const path of ['/patients', '/payments']) {
      const job = await from.mirror(path, records);

      expect({ status: job.status, received: job.counts.received }).toEqual({
        status: 'completed',
        received: records.length,
      });
      expect(job.counts.created).toBeGreaterThan(100);
      expect((await from.get(`${job.links.errors}?limit=1000`)).items.length).toBeGreaterThan(100);
    }
  });

  it(
    'in the paths of pages for operators causes no error',
    async () => {
      const parts = [...PAYLOADS.map((text) => encodeURIComponent(text)), ...ENCODED_PAYLOADS];
      const places = ['/', '/docs/', '/admin/queues/', '/admin/queues/static/', '/admin/queues/queue/'];
      const attacks = places.flatMap((place) => parts.map((part) => ({ method: 'GET', path: `${place}${part}` })));

      const found = await client.violations(oneIn(4, attacks), (answer) =>
        // The dashboard answers unknown paths with JSON of its own.
        answer.status >= 500 || /root:|BEGIN|DATABASE_URL/.test(answer.text) ? violationOf(answer) : null,
      );

      expect(found).toEqual([]);
    },
    MANY_MS,
  );

  it('has not changed the tables, nor rows and jobs of other sources', async () => {
    expect(await state()).toEqual(before);
  });
});

describe('a query parameter', () => {
  it('is refused if it is repeated', async () => {
    const attacks = operations.flatMap((operation) =>
      operation.parameters
        .filter((parameter) => parameter.in === 'query')
        .map(({ name }) => withQuery(operation, `${name}=1&${name}=1`)),
    );

    expect(attacks.length).toBeGreaterThan(20);
    expect(await client.violations(oneIn(4, attacks), refused)).toEqual([]);
  });

  it(
    'is refused if it is written as a list or an object',
    async () => {
      const attacks = operations.flatMap((operation) =>
        operation.parameters
          .filter((parameter) => parameter.in === 'query')
          .flatMap(({ name }) =>
            ['[]', '[0]', '[x]', '[__proto__]', '[constructor][prototype]', '.x'].map((form) =>
              withQuery(operation, `${name}${form}=1`),
            ),
          ),
      );

      expect(await client.violations(oneIn(4, attacks), refused)).toEqual([]);
    },
    MANY_MS,
  );

  it(
    'is refused by every route if it is unknown',
    async () => {
      const attacks = operations
        .filter(({ route }) => !route.startsWith('/admin'))
        .flatMap((operation) => [...INHERITED, 'foo', 'LIMIT'].map((name) => withQuery(operation, `${name}=1`)));

      expect(await client.violations(oneIn(4, attacks), refused)).toEqual([]);
    },
    MANY_MS,
  );
});

describe('inherited property names', () => {
  it('can be ids', async () => {
    const from = new Sender(server);
    const job = await from.mirror(
      '/patients',
      INHERITED.map((externalId) => aPatient({ externalId })),
    );

    expect(job.counts).toMatchObject({ received: INHERITED.length, created: INHERITED.length });
    for (const id of INHERITED) expect(await from.get(`/patients/${id}`)).toMatchObject({ externalId: id });
    expect(await from.patientIds()).toEqual(INHERITED.toSorted());
  });

  it('are unknown fields of a record, without side effects', async () => {
    const from = new Sender(server);
    const fields = INHERITED.map((name) => `${JSON.stringify(name)}:{"firstName":"Taken","polluted":1}`).join(',');

    const job = await from.mirror('/patients', `[{"externalId":"1","lastName":"Over",${fields}},{"externalId":"2"}]`);

    expect(job.counts).toMatchObject({ received: 2, rejected: 2, created: 0 });
    expect(job.warnings).toEqual(
      expect.arrayContaining(INHERITED.map((field) => expect.objectContaining({ code: 'unknown_field', field }))),
    );
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });

  it('are unknown columns of a table, without side effects', async () => {
    const from = new Sender(server);
    const header = `externalId,firstName,lastName,${INHERITED.join(',')}`;
    const row = `1,Rick,Deckard,${INHERITED.map(() => 'x').join(',')}`;

    const job = await from.mirror('/patients', `${header}\n${row}\n`, { 'Content-Type': 'text/csv' });

    expect(job).toMatchObject({ status: 'completed', counts: { created: 1, rejected: 0 } });
    expect(job.warnings).toHaveLength(INHERITED.length);
  });
});
