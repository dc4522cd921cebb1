import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { JobView } from '../../src/sync/jobs/job-view.js';
import { Sender } from '../contract/sender.js';
import { backendsInTurn, startTestServer, type TestServer } from '../setup/test-server.js';

interface Line {
  iban: string;
  booked: string;
  number: number;
  amount: string;
}

/** Lines of a day; their numbers are unique over all days. */
function line(booked: string, number: number, amount = '1.00'): Line {
  return { iban: 'DE1', booked, number, amount };
}

const idOf = ({ iban, booked, number }: Line) => `${iban}|${booked}|${number}`;

describe.each(backendsInTurn(0))('a window, on the %s queue,', (backend) => {
  let server: TestServer;
  let sender: Sender;

  const send = (records: unknown[], query = '') => sender.mirror('statement-lines', records, query);
  const window = (records: unknown[], from: string, to: string, more = '') =>
    send(records, `mode=window&from=${from}&to=${to}&${more}`);
  const february = (records: unknown[], more = '') => window(records, '2026-02-01', '2026-03-01', more);
  const ids = async () => (await sender.list<{ externalId: string }>('statement-lines')).map((row) => row.externalId);

  beforeAll(async () => {
    server = await startTestServer({ backend, RESOURCES_DIR: 'test/resources' });
  });

  afterAll(() => server.close());

  beforeEach(() => {
    sender = new Sender(server);
  });

  it('is complete for its range: what is missing inside goes, what is outside stays', async () => {
    const [january, march] = [line('2026-01-31', 1), line('2026-03-01', 4)];
    await send([january, line('2026-02-01', 2), line('2026-02-28', 3), march]);

    const job = await february([line('2026-02-28', 3, '2.50'), line('2026-02-10', 5)]);

    expect(job).toMatchObject({
      status: 'completed',
      mode: 'window',
      window: { from: '2026-02-01', to: '2026-03-01' },
      counts: { received: 2, created: 1, updated: 1, unchanged: 0, deleted: 1, rejected: 0 },
    });
    expect(await ids()).toEqual([january, line('2026-02-10', 5), line('2026-02-28', 3), march].map(idOf));
  });

  it('rejects a record outside of it, and keeps its stored row', async () => {
    await sender.mirror('bookings', []);
    const rooms = [{ site: 'north', number: 1, name: 'Hall' }];
    await sender.mirror('rooms', rooms);
    const booking = (externalId: string, operation: string | null) => {
      return { externalId, select: 'north|1', order: 1, ordinal: '2.00', operation };
    };
    await sender.mirror('bookings', [booking('1', '2026-02-01'), booking('2', '2026-05-01'), booking('3', null)]);

    const job = await sender.mirror(
      'bookings',
      [booking('1', '2026-03-01'), booking('2', '2026-05-02'), booking('3', null), booking('4', '2026-02-02')],
      'mode=window&from=2026-02-01&to=2026-03-01',
    );

    expect(job.counts).toMatchObject({ received: 4, created: 1, rejected: 3, retained: 3, deleted: 0 });
    expect(await sender.errors(job)).toMatchObject(
      ['1', '2', '3'].map((externalId) => ({
        externalId,
        code: 'outside_window',
        errors: { operation: ['Operation lies outside of the window of this snapshot'] },
      })),
    );
    const stored = await sender.list('bookings');
    expect(stored.map(({ externalId, operation }) => [externalId, operation])).toEqual([
      ['1', '2026-02-01'],
      ['2', '2026-05-01'],
      ['3', null],
      ['4', '2026-02-02'],
    ]);
  });

  it('takes in a row from outside that a record moves inside, and restores one that was deleted', async () => {
    await sender.mirror('rooms', [{ site: 'north', number: 1, name: 'Hall' }]);
    const booking = (externalId: string, operation: string | null) => {
      return { externalId, select: 'north|1', order: 1, ordinal: '2.00', operation };
    };
    await sender.mirror('bookings', [booking('1', '2026-05-01'), booking('2', null), booking('3', '2026-06-01')]);
    await sender.mirror('bookings', [booking('1', '2026-05-01'), booking('2', null)]);

    const moved = [booking('1', '2026-02-01'), booking('2', '2026-02-02'), booking('3', '2026-02-03')];
    const job = await sender.mirror('bookings', moved, 'mode=window&from=2026-02-01&to=2026-03-01');

    expect(job.counts).toMatchObject({ received: 3, created: 1, updated: 2, deleted: 0 });
    const stored = await sender.list('bookings');
    expect(stored.map(({ operation }) => operation)).toEqual(['2026-02-01', '2026-02-02', '2026-02-03']);
  });

  it.each([
    ['mode=window', 'from'],
    ['mode=window&from=2026-02-01', 'to'],
    ['mode=window&from=2026-02-01&to=2026-02-01', 'from'],
    ['mode=window&from=2026-03-01&to=2026-02-01', 'from'],
    ['mode=window&from=2026-02-30&to=2026-03-01', 'from'],
    ['mode=window&from=2026-02-01&to=soon', 'to'],
    ['from=2026-02-01', 'from'],
    ['mode=partial&to=2026-02-01', 'to'],
  ])('is refused as ?%s', async (query, parameter) => {
    const response = await server.submit(`/statement-lines?${query}`, [], { 'X-Source': sender.source });

    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ errors: [{ parameter }] });
    expect(await sender.jobs()).toEqual([]);
  });

  it('is refused for a resource without one', async () => {
    const response = await server.submit('/patients?mode=window&from=1&to=2', [], { 'X-Source': sender.source });

    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ code: 'no_window', errors: [{ parameter: 'mode' }] });
  });

  it('is guarded by the rows inside it', async () => {
    const inside = Array.from({ length: 60 }, (_, n) => line('2026-02-01', n));
    const outside = Array.from({ length: 2_000 }, (_, n) => line('2026-04-01', 1_000 + n));
    await send([...inside, ...outside]);

    const held = await february(inside.slice(51));
    const empty = await february([]);

    // Fifty-one of 2,060 rows would pass; of the sixty inside they are most.
    expect(held).toMatchObject({ plan: { delete: 51, live: 60, held: true } });
    expect(await sender.job(held)).toMatchObject({ status: 'superseded' });
    expect(empty).toMatchObject({ status: 'awaiting_approval', plan: { delete: 60, live: 60, held: true } });
    expect((await sender.decide(empty, 'approve')).counts).toMatchObject({ deleted: 60 });
    expect((await sender.list('statement-lines', 'limit=1000&booked_max=2026-03-01')).length).toBe(0);
  });

  it('finishes at once if its very bytes made the rows inside what they are, and only then', async () => {
    const records = [line('2026-02-01', 1), line('2026-02-02', 2)];
    await february(records);
    await window([line('2026-03-05', 9)], '2026-03-01', '2026-04-01');

    const again = await february(records);
    const wider = await window(records, '2026-01-01', '2026-03-01');
    await send([line('2026-02-02', 2, '7.00')], 'mode=partial');
    const after = await february(records);

    const phases = async (job: JobView) => (await sender.job(job)).progress.processed;
    expect(again.counts).toMatchObject({ received: 2, unchanged: 2 });
    expect(wider.counts).toMatchObject({ received: 2, unchanged: 2 });
    expect(after.counts).toMatchObject({ received: 2, unchanged: 1, updated: 1 });
    expect(await phases(after)).toBe(2);
    const [staged] = await server.query(
      `select array_agg(staged order by seq) as staged from sync_job where id in ($1, $2, $3)`,
      [again.id, wider.id, after.id],
    );
    // What finishes by its bytes stages nothing.
    expect(staged).toEqual({ staged: [0, 2, 2] });
  });

  it('is superseded by a full snapshot and by a window around it, not by one beside it', async () => {
    await send(Array.from({ length: 60 }, (_, n) => line('2026-02-10', n)));
    const held = await february([]);
    const before = await sender.submit('statement-lines', [], 'mode=window&from=2026-01-01&to=2026-02-05');
    const overlapping = await sender.submit('statement-lines', [], 'mode=window&from=2026-02-05&to=2026-04-01');

    expect(held).toMatchObject({ status: 'awaiting_approval' });
    // Both overlap with the one that is held, so they wait for it.
    for (const job of [before, overlapping]) {
      expect(await sender.job(job)).toMatchObject({
        status: 'queued',
        waiting: { behind: { id: held.id, status: 'awaiting_approval' } },
      });
    }
    const around = await sender.submit(
      'statement-lines',
      [],
      'mode=window&from=2026-01-01&to=2026-03-01&deletes=apply',
    );
    expect(await sender.job(held)).toMatchObject({ status: 'superseded' });
    expect(await sender.job(before)).toMatchObject({ status: 'superseded' });
    const full = await send([line('2026-07-01', 1)], 'deletes=apply');
    expect(full.status).toBe('completed');
    for (const job of [around, overlapping])
      expect((await sender.finished(job)).status).toMatch(/completed|superseded/);
    expect(await ids()).toEqual([idOf(line('2026-07-01', 1))]);
  });

  it('neither waits for a window apart from it, nor holds it up', async () => {
    await send(Array.from({ length: 60 }, (_, n) => line('2026-02-10', n)));
    const held = await february([]);

    const apart = await window([line('2026-03-01', 99)], '2026-03-01', '2026-04-01');

    expect(held.status).toBe('awaiting_approval');
    expect(apart).toMatchObject({ status: 'completed', counts: { created: 1 } });
    expect((await sender.decide(held, 'approve')).counts).toMatchObject({ deleted: 60 });
    expect(await ids()).toEqual([idOf(line('2026-03-01', 99))]);
  });

  it('can be tried, repeated from its kept bytes, and put back', async () => {
    await send([line('2026-02-01', 1), line('2026-05-01', 2)]);
    const dry = await february([line('2026-02-03', 3)], 'dryRun=true');
    const done = await february([line('2026-02-03', 3)]);
    await send([line('2026-02-04', 4)], 'mode=partial');

    const replay = (await (await sender.post(`/sync/jobs/${done.id}/replay`)).json()) as JobView;
    const replayed = await sender.finished(replay);
    const reverted = await sender.post(`/sync/jobs/${replayed.id}/revert`);
    const undone = await sender.finished((await reverted.json()) as JobView);

    expect(dry.counts).toMatchObject({ created: 1, deleted: 1 });
    expect(replayed).toMatchObject({ mode: 'window', window: done.window, counts: { unchanged: 1, deleted: 1 } });
    expect(undone).toMatchObject({ mode: 'revert', window: null, status: 'completed', counts: { created: 1 } });
    expect(await ids()).toEqual([line('2026-02-03', 3), line('2026-02-04', 4), line('2026-05-01', 2)].map(idOf));
  });

  it('does not move a row back that a newer window has taken, whichever takes effect first', async () => {
    const booking = (externalId: string, operation: string) => {
      return { externalId, select: 'north|1', order: 1, ordinal: '2.00', operation };
    };
    await sender.mirror('rooms', [{ site: 'north', number: 1, name: 'Hall' }]);
    const january = Array.from({ length: 60 }, (_, n) => booking(String(n), '2026-01-10'));
    await sender.mirror('bookings', january);
    const of = (from: string, to: string) => `mode=window&from=${from}&to=${to}`;
    const held = await sender.mirror('bookings', [booking('0', '2026-01-11')], of('2026-01-01', '2026-02-01'));
    const newer = await sender.mirror('bookings', [booking('0', '2026-02-02')], of('2026-02-01', '2026-03-01'));

    const approved = await sender.decide(held, 'approve');
    const older = approved.status === 'awaiting_approval' ? await sender.decide(held, 'approve') : approved;

    expect(held.status).toBe('awaiting_approval');
    expect(newer).toMatchObject({ status: 'completed', counts: { updated: 1 } });
    expect(older).toMatchObject({ status: 'completed', counts: { received: 1, updated: 0, rejected: 1, deleted: 59 } });
    expect(await sender.errors(older)).toMatchObject([{ externalId: '0', code: 'overtaken' }]);
    expect(await sender.list('bookings')).toMatchObject([{ externalId: '0', operation: '2026-02-02' }]);
  });

  it('has nothing more to be decided once another window has taken all that it would delete', async () => {
    const booking = (externalId: string, operation: string) => {
      return { externalId, select: 'north|1', order: 1, ordinal: '2.00', operation };
    };
    await sender.mirror('rooms', [{ site: 'north', number: 1, name: 'Hall' }]);
    await sender.mirror('bookings', [booking('a', '2026-01-10'), booking('b', '2026-01-11')]);
    const range = 'mode=window&from=2026-01-01&to=2026-02-01&deletes=hold';
    const held = await sender.mirror('bookings', [booking('a', '2026-01-10')], range);
    await sender.mirror('bookings', [booking('b', '2026-02-10')], 'mode=window&from=2026-02-01&to=2026-03-01');

    const approved = await sender.decide(held, 'approve');

    expect(held).toMatchObject({ status: 'awaiting_approval', plan: { delete: 1, held: true } });
    expect(approved).toMatchObject({
      status: 'completed',
      counts: { received: 1, unchanged: 1, deleted: 0 },
      plan: { update: 0, delete: 0, held: false, reason: null, sample: [], listed: 0 },
    });
    expect(held.links.plan).toBe(`/sync/jobs/${held.id}/plan`);
    expect(await sender.get(held.links.plan ?? '')).toMatchObject({ items: [] });
    expect((await sender.list('bookings')).map(({ operation }) => operation)).toEqual(['2026-01-10', '2026-02-10']);
  });

  it.each(['the older one first', 'the newer one first'])(
    'leaves the same rows as a newer one apart from it, %s',
    async (order) => {
      const booking = (externalId: string, operation: string) => {
        return { externalId, select: 'north|1', order: 1, ordinal: '2.00', operation };
      };
      await sender.mirror('rooms', [{ site: 'north', number: 1, name: 'Hall' }]);
      const february = [booking('b', '2026-02-10'), booking('c', '2026-02-11')];
      await sender.mirror('bookings', [booking('a', '2026-01-10'), ...february]);

      // The older one moves `b` and `c` into January; the newer one has `b` in February still, and misses `c` there.
      const january = [booking('b', '2026-01-11'), booking('c', '2026-01-12')];
      const older = await sender.mirror('bookings', january, 'mode=window&from=2026-01-01&to=2026-02-01&deletes=hold');
      if (order === 'the older one first') await sender.decide(older, 'approve');
      const range = 'mode=window&from=2026-02-01&to=2026-03-01&deletes=apply';
      const newer = await sender.mirror('bookings', [booking('b', '2026-02-10')], range);
      if (order === 'the newer one first') {
        // Its plan has changed, so that it is shown once more.
        expect(await sender.decide(older, 'approve')).toMatchObject({ status: 'awaiting_approval' });
        await sender.decide(older, 'approve');
      }

      expect(older).toMatchObject({ status: 'awaiting_approval', plan: { delete: 1, update: 2 } });
      expect(newer).toMatchObject({ status: 'completed' });
      expect((await sender.list('bookings')).map(({ externalId, operation }) => [externalId, operation])).toEqual([
        ['b', '2026-02-10'],
        ['c', '2026-01-12'],
      ]);
      const errors = order === 'the newer one first' ? [{ externalId: 'b', code: 'overtaken' }] : [];
      expect(await sender.errors(older)).toMatchObject(errors);
    },
  );

  it('reads its bytes again once a window apart from it has taken one of its rows', async () => {
    const booking = (operation: string) => ({
      externalId: '1',
      select: 'north|1',
      order: 1,
      ordinal: '2.00',
      operation,
    });
    await sender.mirror('rooms', [{ site: 'north', number: 1, name: 'Hall' }]);
    const january = () =>
      sender.mirror('bookings', [booking('2026-01-10')], 'mode=window&from=2026-01-01&to=2026-02-01');
    await january();
    await sender.mirror('bookings', [booking('2026-02-10')], 'mode=window&from=2026-02-01&to=2026-03-01');

    expect((await january()).counts).toMatchObject({ updated: 1 });
    expect(await sender.list('bookings')).toMatchObject([{ externalId: '1', operation: '2026-01-10' }]);
  });

  it('keeps the same key from naming another request', async () => {
    const submit = (query: string) =>
      server.submit(`/statement-lines?${query}`, [line('2026-02-01', 1)], {
        'X-Source': sender.source,
        'Idempotency-Key': 'one',
      });
    const first = await submit('mode=window&from=2026-02-01&to=2026-03-01');
    const again = await submit('mode=window&from=2026-02-01&to=2026-03-01');
    const other = await submit('mode=window&from=2026-02-01&to=2026-03-02');

    expect(first.status).toBe(202);
    expect(((await again.json()) as JobView).id).toBe(((await first.json()) as JobView).id);
    expect(other.status).toBe(422);
  });
});

describe('of windows apart from each other, which are applied in their order,', () => {
  it.each([
    ['short', [null, 'one', 'one', 'one'], [null, null, 'two', 'two']],
    ['long', [null, null, 'one', 'one'], [null, null, null, 'two']],
  ])('the next ones wait for their place, in the %s lane', async (lane, whileOneRuns, afterwards) => {
    const server = await startTestServer({ ROLE: 'api', RESOURCES_DIR: 'test/resources' });
    const sender = new Sender(server);
    const days = ['2026-02-01', '2026-02-02', '2026-02-03', '2026-02-04', '2026-02-05'];
    const ids: string[] = [];
    for (const [place, from] of days.slice(0, 4).entries()) {
      const job = await sender.submit('statement-lines', [], `mode=window&from=${from}&to=${days[place + 1]}`);
      ids.push(job.id);
    }
    await server.query('update sync_job set lane = $2 where id = any($1)', [ids, lane]);
    const names = new Map(ids.map((id, place) => [id, ['one', 'two', 'three', 'four'][place]]));
    const behind = () =>
      Promise.all(ids.map(async (id) => names.get(((await sender.job({ id })) as any).waiting?.behind?.id) ?? null));
    const set = (place: number, status: string) =>
      server.query('update sync_job set status = $2 where id = $1', [ids[place], status]);

    await set(0, 'reconciling');
    expect(await behind()).toEqual(whileOneRuns);
    await set(0, 'completed');
    expect(await behind()).toEqual(afterwards);
    await server.close();
  });
});
