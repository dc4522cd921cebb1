import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { aLine } from '../claims/biller.js';
import { aPatient, aPayment, Sender } from '../http/sender.js';
import { startTestServer, type TestServer } from '../setup/test-server.js';
import { Asker, type Answer, complaintAbout, type Question } from './http-client.js';
import { ENCODED_PAYLOADS, PAYLOADS } from './payloads.js';

const NOBODY = '019aa5f0-8a3e-7c1b-b6f4-0d9e1f2a3b4c';

/** Thousands of requests take their time on a machine that does something else besides. */
const MANY_MS = 180_000;

/** Names that every object has, and others that a query or a record must not be taken in by. */
const INHERITED = ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', '__defineGetter__', 'then'];

/** A route as the OpenAPI description tells it: a new one is attacked without anybody's thinking of it. */
interface Operation {
  method: string;
  route: string;
  path: string;
  parameters: { name: string; in: 'path' | 'query' | 'header' }[];
  fields: string[];
}

let server: TestServer;
let asker: Asker;
let bystander: Sender;
let operations: Operation[];
let before: unknown;

beforeAll(async () => {
  server = await startTestServer({
    WEBHOOK_TARGETS: 'any',
    WEBHOOK_MAX_ENDPOINTS: 1000,
    TOP_PROVIDERS_PER_MINUTE: 1_000_000,
  });
  asker = new Asker(server);
  bystander = new Sender(server);
  await bystander.mirror('/patients', [aPatient()]);
  await bystander.mirror('/payments', [aPayment()]);
  const attacked = new Sender(server, 'default');
  await attacked.mirror('/patients', [aPatient()]);
  const job = await attacked.mirror('/payments', [aPayment()]);
  const webhook = await (
    await attacked.post('/webhooks', { url: 'http://127.0.0.1:9/', events: ['job.failed'] })
  ).json();
  const claim: any = await (await attacked.post('/claims', [aLine()])).json();
  operations = await describedOperations(job.id, (webhook as { id: string }).id, claim.id);
  before = await state();
});

afterAll(async () => {
  asker.close();
  await server.close();
});

async function describedOperations(jobId: string, webhookId: string, claimId: string): Promise<Operation[]> {
  const document = await server.get('/openapi.json');
  return Object.entries<any>(document.paths).flatMap(([route, item]) =>
    Object.entries<any>(item)
      .filter(([name]) => name !== 'parameters')
      .map(([method, operation]) => ({
        method: method.toUpperCase(),
        route,
        path: route
          .replace('{externalId}', '1')
          .replace('{deliveryId}', NOBODY)
          .replace('{id}', route.startsWith('/webhooks') ? webhookId : route.startsWith('/claims') ? claimId : jobId)
          .replace(/\{\w+\}/g, '1'),
        parameters: operation.parameters ?? [],
        fields: fieldsOf(document, operation.requestBody?.content?.['application/json']?.schema),
      })),
  );
}

function fieldsOf(document: any, schema: { $ref?: string; properties?: object } | undefined): string[] {
  const found = schema?.$ref ? document.components.schemas[schema.$ref.split('/').at(-1) ?? ''] : schema;
  return Object.keys(found?.properties ?? {});
}

/** A request that would be answered, for one thing to be changed in it. Nothing is deleted, and nobody waits for jobs. */
function question({ method, path, route, fields }: Operation): Question {
  if (method === 'GET' || method === 'DELETE') return { method: method === 'DELETE' ? 'GET' : method, path };
  const body = fields.length > 0 ? '{"url":"http://127.0.0.1:9/","events":["job.failed"]}' : '[]';
  const takesBody = fields.length > 0 || !route.includes('{');
  return takesBody ? { method, path, headers: { 'Content-Type': 'application/json' }, body } : { method, path };
}

function withQuery(operation: Operation, query: string): Question {
  return { ...question(operation), path: `${operation.path}?${query}` };
}

async function state(): Promise<unknown> {
  return {
    patients: await bystander.get('/patients'),
    payments: await bystander.get('/payments'),
    jobs: await bystander.jobs(),
    tables: await server.query(`select relname from pg_class where relnamespace = 'public'::regnamespace order by 1`),
  };
}

function refused(answer: Answer): string | null {
  return complaintAbout(answer) ?? (answer.status === 400 ? null : `${answer.status} ${answer.text.slice(0, 200)}`);
}

describe('what somebody writes to break in', () => {
  it(
    'breaks nothing in any path',
    async () => {
      const attacks = operations
        .filter(({ route }) => route.includes('{'))
        .flatMap((operation) => {
          const names = [...operation.route.matchAll(/\{\w+\}/g)].map(([name]) => name);
          const parts = [...PAYLOADS.map((text) => encodeURIComponent(text)), ...ENCODED_PAYLOADS];
          return names.flatMap((name) =>
            parts.map((part) => {
              const path = operation.route.replace(name, () => part).replace(/\{\w+\}/g, '1');
              return { ...question(operation), path };
            }),
          );
        });

      expect(attacks.length).toBeGreaterThan(500);
      expect(await asker.complaints(attacks)).toEqual([]);
    },
    MANY_MS,
  );

  it(
    'breaks nothing in any query parameter',
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
      expect(await asker.complaints(attacks)).toEqual([]);
    },
    MANY_MS,
  );

  it(
    'breaks nothing as the name of a query parameter',
    async () => {
      const attacks = operations.flatMap((operation) => [
        ...PAYLOADS.filter((text) => text.length < 100 && text !== '').map((text) =>
          withQuery(operation, `${encodeURIComponent(text)}=1`),
        ),
        ...ENCODED_PAYLOADS.map((text) => withQuery(operation, `${text}=1`)),
      ]);

      expect(await asker.complaints(attacks)).toEqual([]);
    },
    MANY_MS,
  );

  it(
    'breaks nothing in any header',
    async () => {
      const standard = ['Accept', 'Accept-Encoding', 'Content-Type', 'Content-Encoding', 'Authorization', 'X-API-Key'];
      const more = ['X-Request-Id', 'X-Forwarded-For', 'X-Forwarded-Host', 'Host', 'Origin', 'Range', 'Cookie'];
      // Node's own client sends no others.
      const sendable = PAYLOADS.map((text) => text.replaceAll(/[\r\n\0]/g, '')).map((text) =>
        Buffer.from(text).toString('latin1'),
      );
      const texts = [...new Set(sendable)].filter((text) => !/[^\t\x20-\x7e\x80-\xff]/.test(text));
      // What every request may have is read in one place: a few routes stand for all.
      const few = ['GET /patients', 'POST /payments', 'GET /sync/jobs/{id}/errors'];
      const attacks = operations.flatMap((operation) => {
        const described = operation.parameters.filter((parameter) => parameter.in === 'header').map(({ name }) => name);
        const isOneOfFew = few.includes(`${operation.method} ${operation.route}`);
        const names = isOneOfFew
          ? [...described, ...standard, ...more]
          : described.filter((name) => name !== 'X-Source');
        return names.flatMap((name) =>
          texts.map((text) => {
            const asked = question(operation);
            // A body that is refused tells as much as a job, where the header is looked at before; and takes less time.
            const body = asked.body === '[]' && name !== 'Idempotency-Key' ? '<' : asked.body;
            return { ...asked, body, headers: { ...asked.headers, [name]: text } };
          }),
        );
      });

      expect(await asker.complaints(attacks)).toEqual([]);
    },
    MANY_MS,
  );

  it(
    'breaks nothing in any field of a JSON body',
    async () => {
      const attacks = operations.flatMap((operation) =>
        operation.fields.flatMap((field) =>
          [...PAYLOADS, null, 1, true, [], {}, [[]], [null], { toString: 1 }].map((value) => ({
            ...question(operation),
            body: JSON.stringify({ url: 'http://127.0.0.1:9/', [field]: value }),
          })),
        ),
      );

      expect(attacks.length).toBeGreaterThan(100);
      expect(await asker.complaints(attacks)).toEqual([]);
    },
    MANY_MS,
  );

  it('breaks nothing in the fields and the values of records', async () => {
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
    'breaks nothing in the names of the pages of operators',
    async () => {
      const parts = [...PAYLOADS.map((text) => encodeURIComponent(text)), ...ENCODED_PAYLOADS];
      const places = ['/', '/docs/', '/admin/queues/', '/admin/queues/static/', '/admin/queues/queue/'];
      const attacks = places.flatMap((place) => parts.map((part) => ({ method: 'GET', path: `${place}${part}` })));

      const found = await asker.complaints(attacks, (answer) =>
        // The dashboard speaks JSON of its own where it knows of nothing.
        answer.status >= 500 || /root:|BEGIN|DATABASE_URL/.test(answer.text) ? complaintAbout(answer) : null,
      );

      expect(found).toEqual([]);
    },
    MANY_MS,
  );

  it('leaves tables, rows and jobs of others as they were', async () => {
    expect(await state()).toEqual(before);
  });
});

describe('a query parameter', () => {
  it('is refused where it is repeated', async () => {
    const attacks = operations.flatMap((operation) =>
      operation.parameters
        .filter((parameter) => parameter.in === 'query')
        .map(({ name }) => withQuery(operation, `${name}=1&${name}=1`)),
    );

    expect(attacks.length).toBeGreaterThan(20);
    expect(await asker.complaints(attacks, refused)).toEqual([]);
  });

  it(
    'is refused where it is written as a list or an object',
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

      expect(await asker.complaints(attacks, refused)).toEqual([]);
    },
    MANY_MS,
  );

  it(
    'is refused where nobody knows it, by every route',
    async () => {
      const attacks = operations
        .filter(({ route }) => !route.startsWith('/admin'))
        .flatMap((operation) => [...INHERITED, 'foo', 'LIMIT'].map((name) => withQuery(operation, `${name}=1`)));

      expect(await asker.complaints(attacks, refused)).toEqual([]);
    },
    MANY_MS,
  );
});

describe('names that every object has', () => {
  it('are ids like others', async () => {
    const from = new Sender(server);
    const job = await from.mirror(
      '/patients',
      INHERITED.map((externalId) => aPatient({ externalId })),
    );

    expect(job.counts).toMatchObject({ received: INHERITED.length, created: INHERITED.length });
    for (const id of INHERITED) expect(await from.get(`/patients/${id}`)).toMatchObject({ externalId: id });
    expect(await from.patientIds()).toEqual(INHERITED.toSorted());
  });

  it('are fields of no record, and harm no other', async () => {
    const from = new Sender(server);
    const fields = INHERITED.map((name) => `${JSON.stringify(name)}:{"firstName":"Taken","polluted":1}`).join(',');

    const job = await from.mirror('/patients', `[{"externalId":"1","lastName":"Over",${fields}},{"externalId":"2"}]`);

    expect(job.counts).toMatchObject({ received: 2, rejected: 2, created: 0 });
    expect(job.warnings).toEqual(
      expect.arrayContaining(INHERITED.map((field) => expect.objectContaining({ code: 'unknown_field', field }))),
    );
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });

  it('are columns of no table, and harm no other', async () => {
    const from = new Sender(server);
    const header = `externalId,firstName,lastName,${INHERITED.join(',')}`;
    const row = `1,Rick,Deckard,${INHERITED.map(() => 'x').join(',')}`;

    const job = await from.mirror('/patients', `${header}\n${row}\n`, { 'Content-Type': 'text/csv' });

    expect(job).toMatchObject({ status: 'completed', counts: { created: 1, rejected: 0 } });
    expect(job.warnings).toHaveLength(INHERITED.length);
  });
});
