import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { Writable } from 'node:stream';
import pg from 'pg';
import { LOGGED_FIELDS } from '../../src/logging/logging.js';
import { killServerProcesses, SERVER, ServerProcess } from '../setup/server-process.js';
import { createDatabase, until } from '../setup/test-server.js';
import { HttpClient } from './http-client.js';

/** A value that must not be logged. */
const CANARY = 'Tyrell-4711';

let server: ServerProcess;
let client: HttpClient;
let databaseUrl: string;
let log = '';

beforeAll(async () => {
  databaseUrl = await createDatabase();
  const sink = new Writable({
    write: (bytes: Buffer, _, done) => {
      log += bytes.toString();
      done();
    },
  });
  const env = { DATABASE_URL: databaseUrl, PORT: '0', LOG_LEVEL: 'debug' };
  server = await ServerProcess.start(env, { main: SERVER, log: sink });
  client = new HttpClient(server);
});

afterAll(async () => {
  client.close();
  await killServerProcesses();
});

function lines(): Record<string, any>[] {
  return log
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

it('the log names requests by route, id and status, and contains nothing of records, whatever is sent or fails', async () => {
  const headers = { 'X-Request-Id': 'asked-by-test', 'X-Note': CANARY, Cookie: CANARY };
  const body = JSON.stringify([{ externalId: CANARY, firstName: CANARY, lastName: CANARY }]);
  const json = { ...headers, 'Content-Type': 'application/json' };
  const unknownId = '019aa5f0-8a3e-7c1b-b6f4-0d9e1f2a3b4c';
  await client.send({ method: 'POST', path: '/patients', headers: { ...json, Prefer: 'wait=20' }, body });
  for (const path of [
    `/patients/${CANARY}`,
    `/patients?q=${CANARY}`,
    `/${CANARY}?${CANARY}=1`,
    `/patients/${CANARY}/${CANARY}`,
    `/patients/%zz${CANARY}`,
    `/sync/jobs/${CANARY}`,
    `/sync/jobs/${unknownId}`,
    `/docs/${CANARY}`,
    `/admin/queues/${CANARY}`,
  ]) {
    await client.send({ method: 'GET', path, headers });
  }
  const database = new pg.Client(databaseUrl);
  await database.connect();
  await database.query(`
    create function break() returns trigger language plpgsql as
      $$ begin raise exception 'cannot take %', new.external_id using detail = new.external_id; end $$;
    create trigger break before insert or update on patient for each row execute function break()`);
  const changed = body.replace('[{', '[{"middleName":"x",');
  await client.send({ method: 'POST', path: '/patients', headers: json, body: changed });
  await until('the job has failed once', () => lines().some(({ msg }) => msg === 'an attempt at a job failed'));
  await database.query(`alter view patient_of_source rename to "${CANARY}"`);
  expect((await client.send({ method: 'GET', path: `/patients/${CANARY}`, headers })).status).toBe(500);
  await database.end();
  await until('the last one is logged', () => lines().some(({ res }) => res?.status === 500));

  const logged = lines();
  const known = ['level', 'time', 'pid', 'hostname', 'msg', 'reqId', ...LOGGED_FIELDS];
  expect(logged.flatMap((line) => Object.keys(line)).filter((name) => !known.includes(name))).toEqual([]);
  const paths = logged.filter(({ reqId, req }) => reqId === 'asked-by-test' && req).map(({ req }) => req.path);
  expect(paths).toEqual(
    expect.arrayContaining(['/patients', '/patients/:externalId', `/sync/jobs/${unknownId}`, 'none']),
  );
  const ended = logged.find(({ msg }) => msg === 'an attempt at a job has ended');
  expect(ended).toMatchObject({
    status: 'completed',
    phases: { stage: expect.any(Number), insert: expect.any(Number) },
  });
  expect(log).not.toContain(CANARY);
});
