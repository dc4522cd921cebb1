import { beforeEach, describe, expect, it } from '@jest/globals';
import type { JobView } from '../../src/sync/jobs/job-view.js';
import { NO_COUNTS } from '../../src/sync/model/job-outcome.js';
import type { Definition } from '../../src/definitions/definition.js';
import type { TestServer } from '../setup/test-server.js';
import { MirrorUnderTest } from './mirror-under-test.js';

/** The behaviour of reverts, for every mirrored resource: to be called with nothing but its definition. */
export function revertContract(definition: Definition, serverNow: () => TestServer): void {
  describe(`the revert of a job over ${definition.name}`, () => {
    let mirror: MirrorUnderTest;

    const record = (n: number, version = 0) => mirror.samples.record(n, version);
    const records = (from: number, to: number, version = 0) => mirror.samples.records(from, to, version);

    beforeEach(async () => {
      mirror = await MirrorUnderTest.create(serverNow(), definition);
    });

    /** 0 is unchanged, 1 updated, 2 deleted, 3 restored, 4 created. */
    const change = async (): Promise<JobView> => {
      await mirror.send(records(0, 4));
      await mirror.send(records(0, 3), 'deletes=apply');
      return mirror.send([record(0), record(1, 1), record(3, 1), record(4)], 'deletes=apply');
    };

    it('puts back what the job changed, and nothing else', async () => {
      const job = await change();
      const [unchanged, changed] = [await mirror.row(0), await mirror.row(1)];

      const revert = await mirror.revert(job);

      expect(revert).toMatchObject({ status: 'completed', revertOf: job.id, mode: 'revert', snapshot: null });
      expect(revert.counts).toEqual({ ...NO_COUNTS, received: 2, created: 1, updated: 1, deleted: 2 });
      expect(await mirror.values()).toEqual(await mirror.valuesOf(records(0, 3)));
      expect(await mirror.listed()).toEqual(records(0, 3).map((each) => mirror.samples.externalIdOf(each)));
      expect(await mirror.row(0)).toEqual(unchanged);
      const row = await mirror.row(1);
      expect(row).toMatchObject({ id: changed.id, created: changed.created });
      expect(row.updated.getTime()).toBeGreaterThan(changed.updated.getTime());
    });

    it('is listed like any other change', async () => {
      const job = await change();
      const done = await mirror.changes(job);

      const revert = await mirror.revert(job);

      const undone = await mirror.changes(revert);
      expect(undone.map(({ externalId, before, after }) => ({ externalId, before, after }))).toEqual(
        done.map(({ externalId, before, after }) => ({ externalId, before: after, after: before })),
      );
      expect(undone.map(({ operation }) => operation)).toEqual(['updated', 'restored', 'deleted', 'deleted']);
      expect((await mirror.feed()).slice(-4).map(({ jobId }) => jobId)).toEqual(Array(4).fill(revert.id));
    });

    it('can itself be reverted, and then the mirror is as the job had left it', async () => {
      const job = await change();
      const left = await mirror.values();

      const again = await mirror.revert(await mirror.revert(job));

      expect(again).toMatchObject({ status: 'completed', counts: { created: 2, updated: 1, deleted: 1 } });
      expect(await mirror.values()).toEqual(left);
      expect((await mirror.row(4)).deletedAt).toBeNull();
    });

    it('is a 409 once later jobs have changed one of the same rows, and then changes nothing', async () => {
      const job = await change();
      await mirror.send([record(1, 2)], 'mode=partial');
      const rows = await mirror.rows();

      const refused = await mirror.tryRevert(job);

      expect(refused.status).toBe(409);
      expect(await refused.json()).toMatchObject({
        code: 'changed_since',
        detail: expect.stringMatching(/^One of its/),
      });
      expect(await mirror.rows()).toEqual(rows);
    });

    it('is possible again once later jobs are reverted, the newest first', async () => {
      const job = await change();
      const second = await mirror.send([record(1, 2), record(4, 1)], 'mode=partial');
      const third = await mirror.send([record(0), record(1, 2)], 'deletes=apply');
      expect((await mirror.tryRevert(second)).status).toBe(409);

      for (const done of [third, second, job]) {
        expect(await mirror.revert(done, 'deletes=apply')).toMatchObject({ status: 'completed', revertOf: done.id });
        expect((await mirror.tryRevert(done)).status).toBe(409);
      }

      expect(await mirror.values()).toEqual(await mirror.valuesOf(records(0, 3)));
    });

    it('is possible while later jobs have changed only other rows', async () => {
      const job = await change();
      await mirror.send([record(0, 1), record(9)], 'mode=partial');

      expect(await mirror.revert(job)).toMatchObject({ status: 'completed' });

      expect(await mirror.values()).toEqual(await mirror.valuesOf([record(0, 1), record(1), record(2), record(9)]));
    });

    it('fails and changes nothing if its rows are changed while it waits', async () => {
      await mirror.send([record(0), record(1, 2), record(2), record(3)]);
      const first = await mirror.send([record(0)], 'mode=partial');
      const job = await mirror.send([record(1)], 'mode=partial');
      const freeLine = await mirror.holdLine(first);
      const earlier = await mirror.submit([record(1, 2)], 'mode=partial');
      const revert = (await (await mirror.tryRevert(job)).json()) as JobView;

      await mirror.query(freeLine);

      expect(await mirror.finished(earlier)).toMatchObject({ status: 'completed', counts: { updated: 1 } });
      const failed = await mirror.finished(revert);

      expect(failed).toMatchObject({ status: 'failed', error: { code: 'changed_since' }, counts: NO_COUNTS });
      expect(await mirror.changes(failed)).toEqual([]);
      expect((await mirror.values()).length).toBe(4);
    });

    it('is held if it deletes too much, and is applied once it is approved', async () => {
      const job = await mirror.send(records(0, 60));

      const held = await mirror.revert(job);

      expect(held).toMatchObject({ status: 'awaiting_approval', plan: { delete: 60, live: 60, held: true } });
      expect(held.plan?.reason).toBe('It would delete 60 of 60 rows, more than the 50 that pass without approval.');
      expect(await mirror.live()).toHaveLength(60);
      await mirror.decide(held, 'approve');
      expect(await mirror.finished(held)).toMatchObject({ status: 'completed', counts: { deleted: 60 } });
      expect(await mirror.live()).toEqual([]);
    });

    it('takes deletes and dryRun as an upload does', async () => {
      const job = await mirror.send(records(0, 60));

      const dry = await mirror.revert(job, 'dryRun=true');
      expect(dry).toMatchObject({ status: 'completed', dryRun: true, plan: { delete: 60, held: true } });
      expect(await mirror.live()).toHaveLength(60);
      const [row] = await mirror.live();
      expect(row?.deletedAt).toBeNull();

      expect(await mirror.revert(job, 'deletes=apply')).toMatchObject({ status: 'completed', counts: { deleted: 60 } });
    });

    it('that is held is superseded by a newer full snapshot', async () => {
      const held = await mirror.revert(await mirror.send(records(0, 60)));

      const newer = await mirror.send(records(0, 61));

      expect(newer).toMatchObject({ status: 'completed', counts: { created: 1, unchanged: 60 } });
      expect((await mirror.job(held)).status).toBe('superseded');
    });

    it('makes the server read the same bytes again', async () => {
      await mirror.send(records(0, 3));
      const job = await mirror.send(records(0, 3, 1));
      await mirror.revert(job);

      const again = await mirror.send(records(0, 3, 1));

      expect(again).toMatchObject({ status: 'completed', counts: { updated: 3 } });
    });

    it('is refused for a job that changed nothing, was a dry run, failed, or belongs to another source', async () => {
      const job = await mirror.send(records(0, 3));
      const same = await mirror.send(records(0, 3));
      const dry = await mirror.send(records(0, 9), 'dryRun=true');
      const failed = await mirror.send('[{');

      for (const nothing of [same, dry, failed]) {
        const refused = await mirror.tryRevert(nothing);
        expect(refused.status).toBe(409);
        expect(await refused.json()).toMatchObject({ code: 'nothing_to_revert' });
      }
      const other = await MirrorUnderTest.create(serverNow(), definition);
      expect((await other.tryRevert(job)).status).toBe(404);
    });

    it('has no snapshot that could be read or replayed', async () => {
      const revert = await mirror.revert(await mirror.send(records(0, 3)));

      expect(revert.links.snapshot).toBeNull();
      expect((await mirror.fetch(`/sync/jobs/${revert.id}/snapshot`)).status).toBe(404);
      expect((await mirror.fetch(`/sync/jobs/${revert.id}/replay`, { method: 'POST' })).status).toBe(409);
    });
  });
}
