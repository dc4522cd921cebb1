import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { JobView } from '../../src/sync/jobs/job-view.js';
import { aPatient, Sender, somePatients } from '../http/sender.js';
import { oneIn } from '../setup/exhaustive.js';
import { startTestServer, type TestServer } from '../setup/test-server.js';
import { MALFORMED_CSV, MALFORMED_JSON, MALFORMED_NDJSON, type MalformedBody } from './malformed-bodies.js';

/** Sources that share the bodies of a table, since the jobs of one source run one after the other. */
const SENDERS = 4;

/** Time for a job for each, of which `npm test` draws half, on a busy machine. */
const SENDING_MS = 180_000;

/** The response to a body: the refusal, or the finished job. */
interface Outcome {
  status: number;
  answer: JobView & { code?: string };
}

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer({ WORKER_CONCURRENCY: 8, DATABASE_POOL_SIZE: 30 });
});

afterAll(() => server.close());

describe.each([
  ['JSON', 'application/json', oneIn(2, MALFORMED_JSON)],
  ['NDJSON', 'application/x-ndjson', oneIn(2, MALFORMED_NDJSON)],
  ['CSV', 'text/csv', oneIn(2, MALFORMED_CSV)],
])('as %s', (_format, contentType, table) => {
  const outcomes = new Map<MalformedBody, Outcome>();
  const senders: Sender[] = [];
  let before: unknown[];

  beforeAll(async () => {
    senders.push(...Array.from({ length: SENDERS }, () => new Sender(server)));
    await Promise.all(senders.map((from) => from.mirror('/patients', somePatients(3))));
    before = await Promise.all(senders.map((from) => from.get('/patients')));
    await Promise.all(senders.map((from, turn) => sendAll(from, turn)));
  }, SENDING_MS);

  async function sendAll(from: Sender, turn: number): Promise<void> {
    for (const malformed of table.filter((_, index) => index % SENDERS === turn)) {
      const headers = { 'Content-Type': contentType, Prefer: 'wait=30' };
      const response = await from.post('/patients', malformed.body, headers);
      outcomes.set(malformed, { status: response.status, answer: (await response.json()) as Outcome['answer'] });
    }
  }

  it.each(table)('$what is refused as $code', (malformed) => {
    const { status, answer } = outcomes.get(malformed) as Outcome;

    if (['wrong_first_byte', 'empty'].includes(malformed.code)) {
      expect({ status, code: answer.code }).toEqual({ status: 400, code: malformed.code });
      return;
    }
    expect({ status, job: answer.status, error: answer.error }).toMatchObject({
      status: 200,
      job: 'failed',
      error: { code: malformed.code },
    });
    const { byteOffset, line, record } = answer.error as { byteOffset: number; line: number; record: number | null };
    if (malformed.byteOffset !== null) expect({ byteOffset }).toEqual({ byteOffset: malformed.byteOffset });
    expect(byteOffset).toBeGreaterThanOrEqual(0);
    expect(byteOffset).toBeLessThanOrEqual(malformed.body.length);
    expect(line).toBe(malformed.body.subarray(0, byteOffset).toString('latin1').split('\n').length);
    expect([null, 0, 1, 2]).toContain(record);
  });

  it('none of these bodies has changed the mirror', async () => {
    expect(outcomes.size).toBe(table.length);
    expect(await Promise.all(senders.map((from) => from.get('/patients')))).toEqual(before);
    expect(await server.query(`select relname from pg_class where relnamespace = 'staging'::regnamespace`)).toEqual([]);
  });
});

describe('a body that only looks malformed', () => {
  const patient = JSON.stringify(aPatient()).slice(0, -1);

  it.each([
    ['a duplicate field', `[${patient},"firstName":"Rick","firstName":"Rick"}]`],
    ['a byte order mark in front', `\ufeff[${patient}}]`],
    ['white space of all four kinds', ` \t\r\n[ \t\r\n${patient} \t\r\n} \t\r\n] \t\r\n`],
    ['escaped solidi', `[${patient},"a":"\\/\\u002f"}]`],
    ['line separators and a DEL in a string', `[${patient},"a":"\u2028\u2029\u007f\u0085"}]`],
    ['numbers beyond all doubles', `[${patient},"a":[-0,1E400,-1e-400,123456789012345678901234567890.5]}]`],
    ['an empty name', `[${patient},"":{"":[]}}]`],
    ['an unpaired surrogate in an ignored field', `[${patient},"a":"\\ud800","\\udc00":1}]`],
    ['the deepest nesting allowed', `[${patient},"a":${'['.repeat(63)}${']'.repeat(63)}}]`],
    ['a single object', `${patient}}`],
  ])('with %s is a valid snapshot', async (_what, body) => {
    const from = new Sender(server);

    expect(await from.mirror('/patients', body)).toMatchObject({ status: 'completed', counts: { created: 1 } });
    expect((await from.get('/patients')).items).toMatchObject([{ externalId: '1', firstName: 'Rick' }]);
  });
});
