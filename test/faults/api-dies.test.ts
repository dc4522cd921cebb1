import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import type { JobView } from '../../src/sync/jobs/job-view.js';
import { type Sender, somePatients } from '../http/sender.js';
import { killServerProcesses, type ServerProcess } from '../setup/server-process.js';
import { backendsInTurn, until } from '../setup/test-server.js';
import { type Fault, NOTHING_LEFT, Stage } from './stage.js';
import { placesOf, traced } from './statements.js';

/** Five chunks of a mebibyte, so that there is something to die between. */
const SNAPSHOT = JSON.stringify(somePatients(10).map((patient) => ({ ...patient, padding: 'x'.repeat(500_000) })));

describe.each(backendsInTurn(0))('an api that is killed in mid-upload, on the %s queue', (backend) => {
  let stage: Stage;
  let PORT: string;

  beforeAll(async () => {
    stage = await Stage.set(backend);
    PORT = String(await freePort());
  });

  afterEach(killServerProcesses);

  afterAll(() => stage.strike());

  // The queue is notified only after the last of these statements.
  it('at its n-th statement has taken all of it or nothing, and takes it once when it is sent again', async () => {
    const kinds = await traced(async (file) => {
      const api = await start({ FAULT_TRACE: file });
      api.signal('SIGUSR2');
      await upload(api, stage.sender().source);
      await api.kill();
    });
    const senders: Sender[] = [];
    let deaths = 0;
    const places = placesOf('an upload', kinds, (n) => n > kinds.length - 3);
    // Each place has a sender of its own: one whose upload was taken by a death before would send fewer statements.
    for (const n of places) {
      const from = stage.sender();
      senders.push(from);
      const api = await start({ FAULT_STATEMENT: String(n) });
      api.signal('SIGUSR2');
      if ((await upload(api, from.source)) === null) deaths += 1;
      const [row] = await stage.api.query(
        `select count(*)::int as jobs, count(distinct snapshot_id)::int as snapshots from sync_job
          where source_id = (select id from source where name = $1)`,
        [from.source],
      );
      expect({ n, ...row }).toEqual({ n, jobs: row.jobs, snapshots: row.jobs });
      expect(row.jobs).toBeLessThanOrEqual(1);
      await api.kill();
    }

    expect(deaths).toBeGreaterThan(places.length / 2);
    const healthy = await start({});
    const answers = await Promise.all(senders.map(({ source }) => upload(healthy, source)));
    const jobs = () => Promise.all(senders.map((from) => from.jobs()));
    expect(await jobs()).toMatchObject(answers.map((answer) => [{ id: answer?.id, status: 'queued' }]));
    // What it died over is kept for a while, as an upload that goes on elsewhere would be; then the cleaner takes it.
    await stage.api.query(`update snapshot set touched_at = touched_at - interval '3 hours' where not complete`);
    await stage.process('worker');
    const areDone = async () => (await jobs()).flat().every(({ status }) => status === 'completed');
    await until('all jobs are done', areDone, 300_000);
    expect(await jobs()).toMatchObject(senders.map(() => [{ status: 'completed', counts: { created: 10 } }]));
    expect(await stage.leftForGood()).toEqual(NOTHING_LEFT);
  }, 600_000);

  it.each(['snapshot committed', 'job notification sent'])(
    'at "%s", after which the work is done all the same',
    async (step) => {
      const from = stage.sender();
      const api = await start({ FAULT_DIE_AT: step });

      expect(await upload(api, from.source)).toBeNull();

      await stage.process('worker');
      await until('the job is done', async () => (await from.jobs())[0]?.status === 'completed');
      const again = await upload(await start({}), from.source);
      expect(await from.jobs()).toMatchObject([{ id: again?.id, counts: { created: 10 } }]);
    },
    60_000,
  );

  function start(fault: Fault): Promise<ServerProcess> {
    // Each death leaves an upload's slot taken for some seconds.
    return stage.process('api', fault, { PORT, MAX_CONCURRENT_UPLOADS: '100' });
  }

  /** @returns null if the answer is lost */
  async function upload({ url }: ServerProcess, source: string): Promise<JobView | null> {
    const headers = { 'Content-Type': 'application/json', 'Idempotency-Key': 'once', 'X-Source': source };
    const response = await fetch(`${url}/patients`, { method: 'POST', body: SNAPSHOT, headers }).catch(() => null);
    if (response && !response.ok) throw new Error(`not accepted: ${response.status}`);
    return response && ((await response.json()) as JobView);
  }
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
