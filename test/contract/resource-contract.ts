import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { JobView } from '../../src/sync/jobs/job-view.js';
import { type Counts, NO_COUNTS } from '../../src/sync/model/job-outcome.js';
import type { Definition } from '../../src/definitions/definition.js';
import type { TestServer } from '../setup/test-server.js';
import { MirrorUnderTest } from './mirror-under-test.js';
import type { SampleRecord } from './samples.js';

/** The contract's limit for a dead worker's job to be taken by another one. */
const RESCUE_MS = 10_000;

/** The view of a job that no worker has taken. */
const UNTOUCHED = { startedAt: null, progress: { phase: null, processed: 0, percent: 0 }, counts: NO_COUNTS };

/** Jobs in these states report every record that they count as rejected or unresolved. */
const REPORTED: string[] = ['completed', 'awaiting_approval', 'rejected'];

/**
 * The behaviour of every mirrored resource: to be called for each, with nothing but its definition. The server takes a
 * hundred uploads of a source at once and has the default deletion guard.
 */
export function resourceContract(definition: Definition, serverNow: () => TestServer): void {
  describe(`the mirror of ${definition.name}`, () => {
    let mirror: MirrorUnderTest;

    const key = (n: number) => mirror.samples.key(n);
    const record = (n: number, version = 0) => mirror.samples.record(n, version);
    const keyless = (n: number) => mirror.samples.keyless(n);
    const records = (from: number, to: number, version = 0) => mirror.samples.records(from, to, version);
    const invalid = (n: number) => mirror.samples.invalid(n);

    /** Exactly these records must be live, with these values. */
    const expectLive = async (expected: SampleRecord[]) => {
      expect(await mirror.values()).toEqual(await mirror.valuesOf(expected));
      const keys = expected.map((each) => mirror.samples.externalIdOf(each));
      expect(await mirror.listed()).toEqual(keys.toSorted());
    };

    beforeEach(async () => {
      mirror = await MirrorUnderTest.create(serverNow(), definition);
    });

    afterEach(async () => {
      for (const job of await mirror.jobs()) await expectToAddUp(mirror, job);
    });

    describe('full snapshots', () => {
      it('create rows for new records', async () => {
        const job = await mirror.send([record(2), record(1)]);

        expect(job).toMatchObject({ status: 'completed', error: null, plan: null, mode: 'full', dryRun: false });
        expect(job.counts).toEqual(counts({ received: 2, created: 2 }));
        await expectLive([record(1), record(2)]);
        const [row] = await mirror.live();
        expect(row?.updated).toEqual(row?.created);
      });

      it('take a single object for a snapshot of one', async () => {
        const job = await mirror.send(record(1));

        expect(job.counts).toEqual(counts({ received: 1, created: 1 }));
        await expectLive([record(1)]);
      });

      it('update rows whose value is different, which keep their id and the time of their creation', async () => {
        await mirror.send([record(1), record(2)]);
        const before = await mirror.row(1);

        const job = await mirror.send([record(1, 1), record(2)]);

        expect(job.counts).toEqual(counts({ received: 2, updated: 1, unchanged: 1 }));
        await expectLive([record(1, 1), record(2)]);
        const after = await mirror.row(1);
        expect(after).toMatchObject({ id: before.id, created: before.created });
        expect(after.updated.getTime()).toBeGreaterThan(before.updated.getTime());
      });

      it('do not touch rows whose value is the same, though the bytes are others', async () => {
        await mirror.send(records(0, 3));
        const before = await mirror.rows();

        const job = await mirror.send([...records(0, 3), record(3)].toReversed().map(withItsFieldsReversed));

        expect(job.counts).toEqual(counts({ received: 4, created: 1, unchanged: 3 }));
        expect((await mirror.rows()).slice(0, 3)).toEqual(before);
      });

      it('do nothing at all the second time', async () => {
        await mirror.send([record(1), invalid(2), record(3), record(3, 1)]);
        const before = await mirror.rows();

        const again = await mirror.send([record(1), invalid(2), record(3), record(3, 1)]);

        expect(again.counts).toEqual(counts({ received: 4, unchanged: 2, rejected: 2 }));
        expect(await mirror.rows()).toEqual(before);
        expect((await mirror.errors(again)).map(({ code }) => code)).toEqual([
          'invalid_record',
          'duplicate_external_id',
        ]);
      });

      it('do nothing at all in another order', async () => {
        await mirror.send(records(0, 20));
        const before = await mirror.rows();

        const job = await mirror.send(records(0, 20).toReversed());

        expect(job.counts).toEqual(counts({ received: 20, unchanged: 20 }));
        expect(await mirror.rows()).toEqual(before);
      });

      it('delete rows that are missing, and keep their tombstones', async () => {
        await mirror.send(records(0, 3));

        const job = await mirror.send([record(0), record(2)]);

        expect(job.counts).toEqual(counts({ received: 2, unchanged: 2, deleted: 1 }));
        await expectLive([record(0), record(2)]);
        expect((await mirror.row(1)).deletedAt).toEqual(expect.any(Date));
      });

      it('do not count a tombstone that is still missing again', async () => {
        await mirror.send(records(0, 3));
        await mirror.send(records(0, 2));
        const before = await mirror.rows();

        const job = await mirror.send([record(1), record(0)]);

        expect(job.counts).toEqual(counts({ received: 2, unchanged: 2 }));
        expect(await mirror.rows()).toEqual(before);
      });

      it('restore a deleted row that comes back, with its id and the time of its first creation', async () => {
        await mirror.send(records(0, 3));
        const before = await mirror.row(1);
        await mirror.send([record(0), record(2)]);

        const job = await mirror.send([record(0), record(1, 1), record(2)]);

        expect(job.counts).toEqual(counts({ received: 3, created: 1, unchanged: 2 }));
        await expectLive([record(0), record(1, 1), record(2)]);
        expect(await mirror.row(1)).toMatchObject({ id: before.id, created: before.created, deletedAt: null });
      });

      it('restore a deleted row that comes back unchanged', async () => {
        await mirror.send(records(0, 2));
        const before = await mirror.row(1);
        await mirror.send([record(0)]);

        const job = await mirror.send(records(0, 2));

        expect(job.counts).toEqual(counts({ received: 2, created: 1, unchanged: 1 }));
        await expectLive(records(0, 2));
        expect(await mirror.row(1)).toMatchObject({ id: before.id, created: before.created });
      });

      it('leave the rows of another source as they are, though the external ids are the same', async () => {
        const other = await MirrorUnderTest.create(serverNow(), definition);
        await other.send(records(0, 3));
        await mirror.send(records(0, 3));
        const before = await other.rows();

        await mirror.send([record(0, 1)], 'deletes=apply');

        await expectLive([record(0, 1)]);
        expect(await other.rows()).toEqual(before);
        expect(await other.listed()).toEqual([key(0), key(1), key(2)]);
      });
    });

    describe('rejected records', () => {
      it('are reported with their position and as they were sent, and the rest is applied', async () => {
        const job = await mirror.send([record(1), invalid(2), 'no record', keyless(3), record(4)]);

        expect(job).toMatchObject({ status: 'completed' });
        expect(job.counts).toEqual(counts({ received: 5, created: 2, rejected: 3 }));
        await expectLive([record(1), record(4)]);
        expect(await mirror.errors(job)).toMatchObject([
          { index: 1, externalId: key(2), status: 'fail', code: 'invalid_record', data: invalid(2) },
          { index: 2, externalId: null, status: 'fail', code: 'not_an_object', data: 'no record' },
          { index: 3, externalId: null, status: 'fail', code: 'invalid_record', data: keyless(3) },
        ]);
      });

      it('do not count as missing: the stored row stays as it was', async () => {
        await mirror.send(records(0, 3));
        const before = await mirror.rows();

        const job = await mirror.send([record(0), invalid(1)], 'deletes=apply');

        expect(job.counts).toEqual(counts({ received: 2, unchanged: 1, deleted: 1, rejected: 1, retained: 1 }));
        await expectLive([record(0), record(1)]);
        expect((await mirror.rows()).slice(0, 2)).toEqual(before.slice(0, 2));
      });

      it('retain one row however often they name it', async () => {
        await mirror.send(records(0, 2));

        const job = await mirror.send([invalid(1), record(0), invalid(1), invalid(1)]);

        expect(job.counts).toEqual(counts({ received: 4, unchanged: 1, rejected: 3, retained: 1 }));
        await expectLive(records(0, 2));
      });

      it('neither retain nor restore a deleted row', async () => {
        await mirror.send(records(0, 2));
        await mirror.send([record(0)]);

        const job = await mirror.send([record(0), invalid(1)]);

        expect(job.counts).toEqual(counts({ received: 2, unchanged: 1, rejected: 1 }));
        await expectLive([record(0)]);
      });
    });

    describe('duplicates', () => {
      it('are rejected except for the last one', async () => {
        const job = await mirror.send([record(1), record(2), record(1, 1), record(1, 2)]);

        expect(job.counts).toEqual(counts({ received: 4, created: 2, rejected: 2 }));
        await expectLive([record(1, 2), record(2)]);
        expect(await mirror.errors(job)).toMatchObject([
          { index: 0, externalId: key(1), code: 'duplicate_external_id', data: record(1) },
          { index: 2, externalId: key(1), code: 'duplicate_external_id', data: record(1, 1) },
        ]);
      });

      it('are decided by the last valid one where the last is invalid', async () => {
        await mirror.send([record(1), record(2)]);

        const job = await mirror.send([record(1, 2), record(1, 1), invalid(1), record(2)]);

        expect(job.counts).toEqual(counts({ received: 4, updated: 1, unchanged: 1, rejected: 2 }));
        await expectLive([record(1, 1), record(2)]);
        expect(await mirror.errors(job)).toMatchObject([
          { index: 0, code: 'duplicate_external_id' },
          { index: 2, code: 'invalid_record' },
        ]);
      });

      it('that all equal the stored row leave it untouched', async () => {
        await mirror.send(records(0, 2));
        const before = await mirror.rows();

        const job = await mirror.send([record(1), record(0), record(1), record(1)]);

        if (definition.countsDuplicates) {
          expect(job.counts).toEqual(counts({ received: 4, unchanged: 3, updated: 1 }));
          return;
        }
        expect(job.counts).toEqual(counts({ received: 4, unchanged: 2, rejected: 2 }));
        expect(await mirror.rows()).toEqual(before);
      });

      it('leave the row untouched if the last one is equal to it, whatever came before', async () => {
        await mirror.send(records(0, 2));
        const before = await mirror.rows();

        const job = await mirror.send([record(1, 1), record(0), record(1)]);

        expect(job.counts).toEqual(counts({ received: 3, unchanged: 2, rejected: 1 }));
        expect(await mirror.rows()).toEqual(before);
      });

      it('update the row if an earlier one is equal to it but the last is not', async () => {
        await mirror.send(records(0, 2));

        const job = await mirror.send([record(1), record(0), record(1, 1)]);

        expect(job.counts).toEqual(counts({ received: 3, updated: 1, unchanged: 1, rejected: 1 }));
        await expectLive([record(0), record(1, 1)]);
      });

      it('of a deleted row restore it once, with the last value', async () => {
        await mirror.send(records(0, 2));
        await mirror.send([record(0)]);

        const job = await mirror.send([record(1), record(0), record(1, 1)]);

        expect(job.counts).toEqual(counts({ received: 3, created: 1, unchanged: 1, rejected: 1 }));
        await expectLive([record(0), record(1, 1)]);
      });

      it('are decided in the same way in a partial snapshot', async () => {
        await mirror.send(records(0, 3));
        const before = await mirror.row(2);

        const job = await mirror.send(
          [record(1, 1), record(1, 2), record(2, 1), record(2), record(3, 1), record(3), invalid(3)],
          'mode=partial',
        );

        expect(job.counts).toEqual(counts({ received: 7, created: 1, updated: 1, unchanged: 1, rejected: 4 }));
        await expectLive([record(0), record(1, 2), record(2), record(3)]);
        expect(await mirror.row(2)).toEqual(before);
        expect((await mirror.errors(job)).map(({ index, code }) => `${index} ${code}`)).toEqual([
          '0 duplicate_external_id',
          '2 duplicate_external_id',
          '4 duplicate_external_id',
          '6 invalid_record',
        ]);
      });
    });

    describe('partial snapshots', () => {
      it('create, update and restore what is in them and delete nothing', async () => {
        await mirror.send(records(0, 4));
        await mirror.send(records(0, 3));
        const before = await mirror.row(0);

        const job = await mirror.send([record(1, 1), record(2), record(3), record(4)], 'mode=partial&deletes=hold');

        expect(job).toMatchObject({ status: 'completed', mode: 'partial', plan: null });
        expect(job.counts).toEqual(counts({ received: 4, created: 2, updated: 1, unchanged: 1 }));
        await expectLive([record(0), record(1, 1), record(2), record(3), record(4)]);
        expect(await mirror.row(0)).toEqual(before);
      });

      it('change nothing when they are empty', async () => {
        await mirror.send(records(0, 2));
        const before = await mirror.rows();

        const job = await mirror.send([], 'mode=partial');

        expect(job).toMatchObject({ status: 'completed', counts: counts({}) });
        expect(await mirror.rows()).toEqual(before);
      });

      it('count the stored rows whose new version is rejected', async () => {
        await mirror.send(records(0, 2));
        const before = await mirror.rows();

        const job = await mirror.send([invalid(1), invalid(2)], 'mode=partial');

        expect(job.counts).toEqual(counts({ received: 2, rejected: 2, retained: 1 }));
        expect(await mirror.rows()).toEqual(before);
      });

      it('may be followed by the full snapshot that came before them', async () => {
        await mirror.send(records(0, 2));
        await mirror.send([record(0, 1), record(2)], 'mode=partial');

        const job = await mirror.send(records(0, 2));

        expect(job.counts).toEqual(counts({ received: 2, updated: 1, unchanged: 1, deleted: 1 }));
        await expectLive(records(0, 2));
      });

      it('may be followed by a full snapshot of the same bytes, which deletes the rest', async () => {
        await mirror.send(records(0, 3));
        await mirror.send([record(0, 1), record(1)], 'mode=partial');

        const job = await mirror.send([record(0, 1), record(1)]);

        expect(job.counts).toEqual(counts({ received: 2, unchanged: 2, deleted: 1 }));
        await expectLive([record(0, 1), record(1)]);
      });
    });

    describe('the deletion guard', () => {
      it('holds an empty snapshot and shows what it would do', async () => {
        await mirror.send(records(0, 3));
        const before = await mirror.rows();

        const job = await mirror.send([]);

        expect(job).toMatchObject({ status: 'awaiting_approval', finishedAt: null });
        expect(job.plan).toEqual({
          create: 0,
          update: 0,
          delete: 3,
          unchanged: 0,
          live: 3,
          held: true,
          reason: expect.stringMatching(/no valid record/),
          sample: [key(0), key(1), key(2)],
          listed: 3,
        });
        expect(await mirror.rows()).toEqual(before);
      });

      it('lets an empty snapshot pass while there are no live rows', async () => {
        const job = await mirror.send([]);

        expect(job).toMatchObject({ status: 'completed', counts: counts({}) });
      });

      it('applies a held plan once it is approved, row by row as it was shown', async () => {
        await mirror.send(records(0, 3));
        const held = await mirror.send([]);
        const shown = await mirror.plan(held);

        const job = await mirror.decide(held, 'approve');

        expect(job).toMatchObject({ id: held.id, status: 'completed', counts: counts({ deleted: 3 }) });
        await expectLive([]);
        expect(shown.map(({ operation }) => operation)).toEqual(['deleted', 'deleted', 'deleted']);
        expect(await mirror.changes(job)).toEqual(shown);
        expect(await mirror.plan(job)).toEqual(shown);
      });

      it('drops a held plan once it is rejected', async () => {
        await mirror.send(records(0, 3));
        const before = await mirror.rows();
        const held = await mirror.send([]);

        const job = await mirror.decide(held, 'reject');

        expect(job).toMatchObject({ id: held.id, status: 'rejected' });
        expect(await mirror.rows()).toEqual(before);
        await expect(mirror.decide(held, 'approve')).rejects.toThrow('wrong_status');
      });

      it('reports rejected records while it holds a job and after the decision', async () => {
        await mirror.send(records(0, 3));

        const held = await mirror.send([record(0), record(0, 1), invalid(1)], 'deletes=hold');

        expect(held).toMatchObject({ status: 'awaiting_approval', counts: { received: 3, rejected: 2 } });
        const told = [
          { index: 0, code: 'duplicate_external_id' },
          { index: 2, code: 'invalid_record' },
        ];
        expect(await mirror.errors(held)).toMatchObject(told);
        const applied = await mirror.decide(held, 'approve');
        expect(applied.counts).toEqual(counts({ received: 3, updated: 1, deleted: 1, rejected: 2, retained: 1 }));
        expect(await mirror.errors(applied)).toMatchObject(told);
      });

      it('lets an empty snapshot pass that says deletes=apply', async () => {
        await mirror.send(records(0, 3));

        const job = await mirror.send([], 'deletes=apply');

        expect(job).toMatchObject({ status: 'completed', counts: counts({ deleted: 3 }) });
        await expectLive([]);
      });

      it('holds a snapshot in which no record is valid, the second time too', async () => {
        await mirror.send(records(0, 2));
        await mirror.send([invalid(0), invalid(1)], 'deletes=apply');

        const job = await mirror.send([invalid(0), invalid(1)]);

        expect(job).toMatchObject({ status: 'awaiting_approval', plan: { delete: 0, live: 2 } });
        await expectLive(records(0, 2));
      });

      it('holds a single deletion with deletes=hold, and nothing but deletions', async () => {
        await mirror.send(records(0, 20));

        const harmless = await mirror.send([...records(0, 19), record(19, 1)], 'deletes=hold');
        const held = await mirror.send([...records(0, 18, 1), record(20), record(20, 1)], 'deletes=hold');

        expect(harmless).toMatchObject({ status: 'completed' });
        expect(held).toMatchObject({ status: 'awaiting_approval', counts: { received: 20, rejected: 1 } });
        expect(held.plan).toMatchObject({ create: 1, update: 18, delete: 2, unchanged: 0, live: 20, held: true });
        const applied = await mirror.decide(held, 'approve');
        expect(applied.counts).toEqual(counts({ received: 20, created: 1, updated: 18, deleted: 2, rejected: 1 }));
        await expectLive([...records(0, 18, 1), record(20, 1)]);
      });

      it('lets 50 of a few rows be deleted, but not 51', async () => {
        await mirror.send(records(0, 60));

        const held = await mirror.send(records(0, 9));
        const applied = await mirror.send(records(0, 10));

        expect(held.plan).toMatchObject({ delete: 51, live: 60, sample: { length: 20 } });
        expect(await mirror.job(held)).toMatchObject({ status: 'superseded' });
        expect(applied).toMatchObject({ status: 'completed', counts: { deleted: 50 } });
      });

      it('lets 5 % of many rows be deleted, but no more', async () => {
        await mirror.send(records(0, 1_100));

        const held = await mirror.send(records(56, 1_100));
        const applied = await mirror.send(records(55, 1_100));

        expect(held).toMatchObject({ status: 'awaiting_approval', plan: { delete: 56, live: 1_100 } });
        expect(applied).toMatchObject({ status: 'completed', counts: { deleted: 55, unchanged: 1_045 } });
      });

      it('holds any deletion while a record was rejected whose external id cannot be told', async () => {
        await mirror.send(records(0, 3));
        const before = await mirror.rows();
        const nameless = [keyless(1), 'no record'];

        const harmless = await mirror.send([...records(0, 3), ...nameless]);
        const held = await mirror.send([...records(0, 2), ...nameless]);

        expect(harmless).toMatchObject({ status: 'completed', counts: { unchanged: 3, rejected: 2 } });
        expect(held).toMatchObject({
          status: 'awaiting_approval',
          plan: { delete: 1, held: true, reason: expect.stringMatching(/1 row .* 2 records .* cannot be told/) },
        });
        expect(await mirror.rows()).toEqual(before);
        const applied = await mirror.decide(held, 'approve');
        expect(applied.counts).toEqual(counts({ received: 4, unchanged: 2, deleted: 1, rejected: 2 }));
      });

      it('says in a dry run that it would hold a deletion beside a record without a readable external id', async () => {
        await mirror.send(records(0, 3));

        const job = await mirror.send([record(0), record(1), {}], 'dryRun=true');

        expect(job).toMatchObject({ status: 'completed', plan: { delete: 1, held: true } });
      });

      it('deletes beside a record without a readable external id with deletes=apply, and need not hold it again', async () => {
        await mirror.send(records(0, 3));
        const sent = [record(0), {}];

        const applied = await mirror.send(sent, 'deletes=apply');
        const again = await mirror.send(sent);

        expect(applied).toMatchObject({ status: 'completed', counts: { deleted: 2, rejected: 1 } });
        expect(again).toMatchObject({ status: 'completed', counts: { deleted: 0, unchanged: 1, rejected: 1 } });
        await expectLive([record(0)]);
      });

      it('blocks later jobs until the held one is decided', async () => {
        await mirror.send(records(0, 3));
        const held = await mirror.send([record(0)], 'deletes=hold');
        const waiting = await mirror.submit([record(5)], 'mode=partial');

        expect(await mirror.job(waiting)).toMatchObject({ status: 'queued' });
        await mirror.decide(held, 'approve');

        expect(await mirror.finished(waiting)).toMatchObject({ status: 'completed', counts: { created: 1 } });
        await expectLive([record(0), record(5)]);
      });
    });

    describe('a dry run', () => {
      it('reports what would result and writes nothing', async () => {
        await mirror.send(records(0, 4));
        const before = await mirror.rows();

        const job = await mirror.send([record(0), record(1, 1), invalid(2), record(4, 1), record(4)], 'dryRun=true');

        const counted = { received: 5, created: 1, updated: 1, unchanged: 1, deleted: 1, rejected: 2, retained: 1 };
        expect(job).toMatchObject({ status: 'completed', dryRun: true, counts: counts(counted) });
        expect(job.plan).toEqual({
          create: 1,
          update: 1,
          delete: 1,
          unchanged: 1,
          live: 4,
          held: false,
          reason: null,
          sample: [key(3)],
          listed: 3,
        });
        expect((await mirror.plan(job)).map(({ externalId, operation }) => [externalId, operation])).toEqual([
          [key(3), 'deleted'],
          [key(1), 'updated'],
          [key(4), 'created'],
        ]);
        expect(await mirror.rows()).toEqual(before);
        await expectLive(records(0, 4));
      });

      it('says whether the guard would hold, and ends all the same', async () => {
        await mirror.send(records(0, 2));

        const job = await mirror.send([], 'dryRun=true');

        expect(job).toMatchObject({ status: 'completed', plan: { held: true, delete: 2 }, counts: { deleted: 2 } });
        await expectLive(records(0, 2));
      });

      it('supersedes nothing, and does not wait for a decision', async () => {
        await mirror.send(records(0, 2));
        const held = await mirror.send([]);

        const job = await mirror.send([record(0)], 'dryRun=true');

        expect(job).toMatchObject({ status: 'completed', counts: { unchanged: 1, deleted: 1 } });
        expect(await mirror.job(held)).toMatchObject({ status: 'awaiting_approval' });
        await mirror.decide(held, 'approve');
        await expectLive([]);
      });

      it('does not affect the same snapshot when it is sent for real afterwards', async () => {
        await mirror.send(records(0, 2));
        await mirror.send([record(0, 1), record(2)], 'dryRun=true');

        const job = await mirror.send([record(0, 1), record(2)]);

        expect(job.counts).toEqual(counts({ received: 2, created: 1, updated: 1, deleted: 1 }));
        await expectLive([record(0, 1), record(2)]);
      });
    });

    describe('what has changed', () => {
      it('is listed for a job, row by row, with the values before and after', async () => {
        const changes = async (job: JobView) => {
          return (await mirror.changes(job)).map(({ before, after, ...rest }) => ({
            ...rest,
            before: mirror.samples.withoutKey(before),
            after: mirror.samples.withoutKey(after),
          }));
        };
        const whole = await mirror.changes(await mirror.send([record(1), record(2)]));
        const first = await changes((await mirror.jobs())[0] as JobView);
        const second = await changes(await mirror.send([record(1, 1), record(3)]));
        const third = await changes(await mirror.send([record(1, 1), record(2, 1), record(3)]));

        // The records of one version differ in nothing but the key.
        const [image, other] = [first[0]?.after, second[0]?.after];
        expect(first).toEqual([
          { externalId: key(1), operation: 'created', before: null, after: image },
          { externalId: key(2), operation: 'created', before: null, after: image },
        ]);
        expect(second).toEqual([
          { externalId: key(1), operation: 'updated', before: image, after: other },
          { externalId: key(2), operation: 'deleted', before: image, after: null },
          { externalId: key(3), operation: 'created', before: null, after: image },
        ]);
        expect(third).toEqual([{ externalId: key(2), operation: 'restored', before: null, after: other }]);
        expect(other).not.toEqual(image);
        const { externalId: _, ...fields } = mirror.samples.parsed(record(1));
        expect(Object.keys(whole[0]?.after ?? {})).toEqual(Object.keys(fields));
      });

      it('is empty for a job that changed nothing', async () => {
        await mirror.send(records(0, 3));
        const jobs = [
          await mirror.send(records(0, 3)),
          await mirror.send([...records(0, 3).toReversed(), invalid(4)]),
          await mirror.send(records(0, 3, 1), 'dryRun=true'),
          await mirror.send([], 'deletes=hold'),
        ];

        for (const job of jobs) expect(await mirror.changes(job)).toEqual([]);
      });

      it('is listed for a row, newest first, also for deleted rows', async () => {
        const jobs = [
          await mirror.send([record(1), record(2)]),
          await mirror.send([record(1, 1), record(2)]),
          await mirror.send([record(2)]),
          await mirror.send([record(1, 2), record(2)]),
          await mirror.send([record(2)]),
        ];

        const history = await mirror.history(1);

        const operations = ['created', 'updated', 'deleted', 'restored', 'deleted'];
        const expected = jobs.map(({ id }, n) => ({ operation: operations[n], jobId: id, source: mirror.source }));
        expect(history).toMatchObject(expected.toReversed());
        expect(history?.map(({ jobId, before, after }) => ({ jobId, before, after }))).toEqual(
          await Promise.all(
            jobs.toReversed().map(async (job) => {
              const { before, after } =
                (await mirror.changes(job)).find((change) => change.externalId === key(1)) ?? {};
              return { jobId: job.id, before, after };
            }),
          ),
        );
        expect((await mirror.history(2))?.map(({ operation }) => operation)).toEqual(['created']);
        expect(await mirror.history(3)).toBeNull();
      });

      it('is in the feed, job by job', async () => {
        const jobs = [
          await mirror.send([record(1), record(2)]),
          await mirror.send([record(1, 1)]),
          await mirror.send([record(1, 1), record(2, 1), record(3)]),
        ];

        const told = await mirror.feed();

        const expected = await Promise.all(
          jobs.map(async (job) => (await mirror.changes(job)).map((change) => ({ ...change, jobId: job.id }))),
        );
        const own = told.filter(({ jobId }) => jobs.some(({ id }) => id === jobId));
        expect(own).toMatchObject(expected.flat());
        expect(own.every(({ resource }) => resource === definition.name)).toBe(true);
      });
    });

    describe('a job whose worker has died', () => {
      it.each(['staging', 'reconciling'])(
        'while it was %s is taken by another worker within ten seconds',
        async (status) => {
          const first = await mirror.send(records(0, 3));
          const freeLine = await mirror.holdLine(first);
          const orphan = await mirror.submit([record(0), record(1, 1), invalid(2), record(3, 1), record(3)]);

          await simulateDeadWorker(mirror, orphan, status, freeLine);

          const left = Date.now();
          const job = await mirror.finished(orphan);
          expect(Date.now() - left).toBeLessThan(RESCUE_MS);
          const counted = { received: 5, created: 1, updated: 1, unchanged: 1, rejected: 2, retained: 1 };
          expect(job).toMatchObject({ status: 'completed', counts: counts(counted) });
          expect((await mirror.errors(job)).map(({ index, code }) => `${index} ${code}`)).toEqual([
            '2 invalid_record',
            '3 duplicate_external_id',
          ]);
          await expectLive([record(0), record(1, 1), record(2), record(3)]);
          expect(await stagingTablesOf(mirror, job)).toEqual([]);
        },
      );

      it('over a snapshot that changes nothing is completed and leaves nothing behind', async () => {
        const first = await mirror.send([record(0), invalid(1)]);
        const before = await mirror.rows();
        const freeLine = await mirror.holdLine(first);
        const orphan = await mirror.submit([record(0), invalid(1)]);

        await simulateDeadWorker(mirror, orphan, 'staging', freeLine);

        const job = await mirror.finished(orphan);
        expect(job).toMatchObject({ status: 'completed', counts: counts({ received: 2, unchanged: 1, rejected: 1 }) });
        expect(await mirror.errors(job)).toMatchObject([{ index: 1, externalId: key(1), code: 'invalid_record' }]);
        expect(await mirror.rows()).toEqual(before);
        expect(await stagingTablesOf(mirror, job)).toEqual([]);
      });
    });

    describe('the order of acceptance', () => {
      it('lets only the newest of many waiting full snapshots take effect', async () => {
        const first = await mirror.send(records(0, 2));
        const freeLine = await mirror.holdLine(first);
        const sent = await Promise.all(
          Array.from({ length: 8 }, (_, n) => mirror.submit([record(0, 1), record(10 + n)], 'deletes=apply')),
        );

        await mirror.query(freeLine);

        const jobs = await Promise.all(sent.map((job) => mirror.finished(job)));
        const newest = (await mirror.accepted()).at(-1)?.id;
        expect(jobs.filter(({ status }) => status !== 'superseded')).toMatchObject([
          { id: newest, status: 'completed' },
        ]);
        // No worker has read the others.
        for (const { status, startedAt, progress, counts } of jobs) {
          if (status === 'superseded') expect({ startedAt, progress, counts }).toEqual(UNTOUCHED);
        }
        const winner = sent.findIndex(({ id }) => id === newest);
        await expectLive([record(0, 1), record(10 + winner)]);
      });

      it('is the order of effect, however many snapshots come at once', async () => {
        const contents = new Map<string, { records: SampleRecord[]; isFull: boolean }>();
        const submit = async (n: number) => {
          const isFull = n % 3 === 0;
          const content = [record(n % 4, 0), record(4 + (n % 5), n % 3), record(9 + n)];
          const job = await mirror.submit(content, isFull ? 'deletes=apply' : 'mode=partial');
          contents.set(job.id, { records: content, isFull });
          return job;
        };

        const sent = await Promise.all(Array.from({ length: 20 }, (_, n) => submit(n)));

        await Promise.all(sent.map((job) => mirror.finished(job)));
        const accepted = await mirror.accepted();
        expect(accepted.at(-1)?.status).toBe('completed');
        const applied = accepted.filter(({ status }) => status === 'completed');
        const times = applied.map(({ appliedAt }) => appliedAt?.getTime() ?? 0);
        expect(times).toEqual([...new Set(times)].toSorted((a, b) => a - b));
        const expected = new Map<unknown, SampleRecord>();
        for (const { id } of applied) {
          if (contents.get(id)?.isFull) expected.clear();
          for (const item of contents.get(id)?.records ?? []) expected.set(mirror.samples.externalIdOf(item), item);
        }
        await expectLive([...expected.values()]);
        for (const [place, { id, status }] of accepted.entries()) {
          const isOutdated = accepted.slice(place + 1).some((later) => contents.get(later.id)?.isFull);
          const mayBe = contents.get(id)?.isFull && isOutdated ? ['completed', 'superseded'] : ['completed'];
          expect(mayBe).toContain(status);
        }
      });

      it('keeps older snapshots from overwriting a newer one, even if they are the same bytes', async () => {
        const oldest = await mirror.send(records(0, 2));
        const older = await mirror.send([record(0, 1), record(1), record(2)]);
        await mirror.send(records(0, 2));
        const before = await mirror.rows();

        await mirror.query(
          `update sync_job set status = 'queued', attempts = 0, finished_at = null where id in ($1, $2)`,
          [oldest.id, older.id],
        );

        expect(await mirror.finished(older)).toMatchObject({ status: 'superseded' });
        expect(await mirror.finished(oldest)).toMatchObject({ status: 'superseded' });
        expect(await mirror.rows()).toEqual(before);
      });

      it('is kept when the same two snapshots are sent in turn', async () => {
        const contents = [records(0, 2), [record(0, 1), record(2)]];
        const sent: JobView[] = [];
        for (let n = 0; n < 6; n++) sent.push(await mirror.submit(contents[n % 2]));

        await Promise.all(sent.map((job) => mirror.finished(job)));

        await expectLive([record(0, 1), record(2)]);
      });
    });
  });
}

function counts(some: Partial<Counts>): Counts {
  return { ...NO_COUNTS, ...some };
}

/** Checks what holds for every job at any time. */
async function expectToAddUp(mirror: MirrorUnderTest, job: JobView): Promise<void> {
  const { received, created, updated, unchanged, rejected, unresolved } = job.counts;
  expect({ job: job.id, received }).toEqual({ job: job.id, received: created + updated + unchanged + rejected });
  if (!REPORTED.includes(job.status)) return;
  const places = (await mirror.errors(job)).map(({ index }) => index);
  expect({ job: job.id, errors: places.length }).toEqual({ job: job.id, errors: rejected + unresolved });
  expect(places).toEqual([...new Set(places)].toSorted((a, b) => a - b));
}

/**
 * Makes a waiting job look as if this server had taken it a minute ago, written some rows, and stopped sending
 * heartbeats. It is this server, as it must not terminate its own sessions for that: it once did so over and over.
 */
async function simulateDeadWorker(
  mirror: MirrorUnderTest,
  job: JobView,
  status: string,
  freeLine: string,
): Promise<void> {
  // Without parameters all of it is one transaction: no worker can take the job in between.
  await mirror.query(`
    ${freeLine}
    create unlogged table staging."job_${job.id}" (ordinal int, rejected boolean, external_id text);
    alter table staging."job_${job.id}" owner to counterpart_app;
    insert into staging."job_${job.id}" values (0, false, 'left behind');
    insert into sync_error (source_id, job_id, at, index, external_id, code, errors, data)
    select source_id, id, submitted_at, place, 'left behind', 'invalid_record', '{}', 'null'
      from sync_job, generate_series(0, 1) place where id = '${job.id}';
    update sync_job set status = '${status}', phase = 'staging', fence = fence + 1, attempts = 1, processed = 2,
           staged = 1, rejected = 2, percent = 30, started_at = submitted_at
     where id = '${job.id}' and status = 'queued';
    insert into job_heartbeat (job_id, fence, instance, beat_at)
    select job.id, fence, application_name, clock_timestamp() - interval '1 minute'
      from sync_job job, pg_stat_activity
     where job.id = '${job.id}' and datname = current_database() and application_name ~ '^counterpart .{36}$' limit 1`);
}

async function stagingTablesOf(mirror: MirrorUnderTest, job: JobView): Promise<string[]> {
  const tables = await mirror.query<{ tablename: string }>(
    `select tablename from pg_tables where schemaname = 'staging' and tablename = $1`,
    [`job_${job.id}`],
  );
  return tables.map(({ tablename }) => tablename);
}

/** The same record with its fields in reverse order. */
function withItsFieldsReversed(record: SampleRecord): SampleRecord {
  return Object.fromEntries(Object.entries(record).toReversed());
}
