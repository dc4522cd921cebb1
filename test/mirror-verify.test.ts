import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { aPatient, aPayment, Sender } from './http/sender.js';
import { type Outcome, runCli } from './setup/command-line.js';
import { startTestServer, type TestServer } from './setup/test-server.js';

const RESOURCES_DIR = 'test/resources';

describe('mirror verify', () => {
  let server: TestServer;
  let from: Sender;

  beforeAll(async () => {
    server = await startTestServer({ RESOURCES_DIR });
  });

  afterAll(() => server.close());

  beforeEach(async () => {
    from = new Sender(server);
    const booking = (externalId: string, select: string) => ({ externalId, select, order: 1, ordinal: '2.50' });
    await from.mirror('/rooms', [{ site: 'n', number: 1, name: 'Hall' }]);
    await from.mirror('/bookings', [booking('1', 'n|1'), booking('2', 'n|1'), booking('3', 'nowhere')]);
    await from.mirror('/patients', [aPatient()]);
    await from.mirror('/payments', [aPayment()]);
  });

  /** Runs the command over the source of this test. */
  const verify = (...options: string[]) => run('--source', from.source, ...options);

  function run(...options: string[]): Promise<Outcome> {
    return runCli(['mirror', 'verify', ...options], { DATABASE_URL: server.databaseUrl, RESOURCES_DIR });
  }

  /** What is found, as `resource id: what`; the exit code must say the same. */
  async function found(...options: string[]): Promise<string[]> {
    const { code, stdout } = await verify('--json', ...options);
    const { faults } = JSON.parse(stdout) as { faults: Record<string, string | null>[] };
    expect(code).toBe(faults.length === 0 ? 0 : 1);
    expect(faults.map(({ source }) => source)).toEqual(faults.map(() => from.source));
    return faults.map(({ resource, externalId, what }) => `${resource} ${externalId ?? '–'}: ${what}`);
  }

  /** Changes what is stored of this test's source. `where` begins with `and`, and `t` is the table. */
  async function plant(table: string, change: string, where = ''): Promise<void> {
    const rows = await server.query(
      `update ${table} t set ${change} where source_id = (select id from source where name = $1) ${where} returning 1`,
      [from.source],
    );
    expect(rows.length).toBeGreaterThan(0);
  }

  it('finds nothing where links, totals and feed follow from the rows', async () => {
    const { code, stdout, stderr } = await verify();

    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toBe('✓ Links, totals and feed of 6 rows of 10 resources agree.\n');
    expect(await found()).toEqual([]);
  });

  it('finds a link that is missing, with the totals that count the row', async () => {
    await plant('mirrored_bookings', '"$link_room" = null', `and external_id = '1'`);

    expect(await found()).toEqual([
      'bookings 1: its link to room is not that of the live row that it names',
      'rooms n|1: bookingsCount is 2, and its children say 1',
      'rooms n|1: bookedTotal is 5.00, and its children say 2.50',
    ]);
  });

  it('finds a link to another row, and one of a row whose parent is not there', async () => {
    await plant('mirrored_bookings', '"$link_room" = "$link_room" + 1000', `and external_id = '1'`);
    await plant('payment', 'patient_id = patient_id + 1000');
    await plant('mirrored_bookings', '"$link_room" = 1', `and external_id = '3'`);

    expect(await found('--resource', 'bookings')).toEqual([
      'bookings 1: its link to room is not that of the live row that it names',
      'bookings 3: its link to room is not that of the live row that it names',
    ]);
    expect(await found('--resource', 'payments')).toEqual([
      'payments 1: its link to patient is not that of the live row that it names',
    ]);
  });

  it.each([
    ['mirrored_rooms_totals', '"bookedTotal" = 4.99', 'rooms n|1: bookedTotal is 4.99, and its children say 5.00'],
    ['mirrored_rooms_totals', '"bookingsCount" = 3', 'rooms n|1: bookingsCount is 3, and its children say 2'],
    ['mirrored_rooms_totals', '"partsCount" = 1', 'rooms n|1: partsCount is 1, and its children say 0'],
    ['patient_totals', 'payments_total = 0.0000', 'patients 1: paymentsTotal is 0.0000, and its children say 1.0000'],
    ['patient_totals', 'payments_count = 2', 'patients 1: paymentsCount is 2, and its children say 1'],
  ])('finds a wrong total in %s: %s', async (table, change, fault) => {
    await plant(table, change);

    expect(await found()).toEqual([fault]);
  });

  it('finds a live row without totals, and totals of a row that is not live', async () => {
    await plant('mirrored_rooms', 'deleted_at = now()');
    const ofRoom = (what: string) => expect.stringContaining(`rooms ${what}`);
    expect(await found('--resource', 'rooms')).toEqual([ofRoom('–: there are totals of a row that is not live')]);

    await plant('mirrored_rooms', 'deleted_at = null');
    await plant('mirrored_rooms_totals', 'id = id + 1000');
    expect(await found('--resource', 'rooms')).toEqual([
      ofRoom('n|1: it has no totals'),
      ofRoom('–: there are totals of a row that is not live'),
    ]);
  });

  it('finds a commit of the feed that has another number of changes than the rows', async () => {
    await plant('mirror_commit', 'rows = rows + 1', `and resource = 'bookings'`);

    expect(await found()).toEqual(['bookings –: commit 2 of the feed has 4 changes, and the rows say 3']);
  });

  it('finds changes that are gone from the log', async () => {
    await from.mirror('/patients', [aPatient({ firstName: 'Roy' })]);
    await server.query('delete from change where source_id = (select id from source where name = $1)', [from.source]);

    expect(await found()).toEqual(['patients –: commit 5 of the feed has 1 changes, and the rows say 0']);
  });

  it('looks at the part that it is asked for', async () => {
    await plant('mirrored_rooms_totals', '"bookingsCount" = 3');
    const other = new Sender(server);
    await other.mirror('/patients', [aPatient()]);

    expect(await found('--resource', 'patients')).toEqual([]);
    expect((await run('--source', other.source)).code).toBe(0);
    const all = await run();
    expect(all.code).toBe(1);
    expect(all.stdout).toContain(`✗ ${from.source} rooms n|1: bookingsCount is 3, and its children say 2.\n`);
    expect(all.stdout).toMatch(
      /Of \d+ rows of 10 resources these do not agree; of each kind 20 at most are shown\.\n$/,
    );
  });

  it.each([
    ['--resource', 'rms', 'There is no resource "rms".'],
    ['--source', 'nobody', 'There is no source "nobody".'],
  ])('fails for %s with a name that is none', async (option, name, message) => {
    const { code, stdout, stderr } = await run(option, name);

    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain(message);
  });

  it('fails on a database that is not one of counterpart', async () => {
    const env = { DATABASE_URL: Object.assign(new URL(server.databaseUrl), { pathname: '/template1' }).href };

    const { code, stderr } = await runCli(['mirror', 'verify'], env);

    expect(code).toBe(1);
    expect(stderr).toContain('npm run cli -- migrate');
  });
});
