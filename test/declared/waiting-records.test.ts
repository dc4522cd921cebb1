import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Sender } from '../contract/sender.js';
import type { TestServer } from '../setup/test-server.js';
import { Installation } from './installation.js';

const persons = {
  name: 'persons',
  key: 'no',
  fields: { no: 'text', boss: 'text?' },
  parents: { superior: { resource: 'persons', by: 'boss' } },
};

const tasks = {
  name: 'tasks',
  key: 'no',
  fields: { no: 'text', who: 'integer' },
  parents: { doer: { resource: 'persons', by: 'who' }, owner: { resource: 'teams', by: 'who' } },
};

let here: Installation;
let server: TestServer;
let from: Sender;

beforeAll(async () => {
  here = await Installation.create();
  here.declare(persons, tasks, { name: 'teams', key: 'no', fields: { no: 'text' } });
  server = await here.start();
});

afterAll(() => here.close());

beforeEach(() => {
  from = new Sender(server);
});

/** What is told of a job's records, as `external id: code, messages by field`. */
async function told(job: { id: string }): Promise<unknown[]> {
  const errors = await from.errors(job);
  return errors.map(({ externalId, code, errors }) => [externalId, code, errors]);
}

const revert = async (job: { id: string }, query = ''): Promise<any> =>
  from.finished((await (await from.post(`/sync/jobs/${job.id}/revert${query}`)).json()) as { id: string });

const person = (no: string, boss: string | null = null) => ({ no, boss });

describe('records that wait for a parent', () => {
  it('are told with the resource and the id that they wait for, each parent that is missing', async () => {
    const message = (resource: string) => `Waits for ${resource} 17: there is no such live row yet`;
    const both = ['1', 'unresolved_doer', { who: [message('persons'), message('teams')] }];

    const job = await from.mirror('tasks', [{ no: '1', who: 17 }]);
    await from.mirror('persons', [person('17')]);
    const later = await from.mirror('tasks', [{ no: '1', who: '17' }]);

    expect(await told(job)).toEqual([both]);
    expect(await told(later)).toEqual([['1', 'unresolved_owner', { who: [message('teams')] }]]);
  });

  it('are told alike when a revert brings them back', async () => {
    await from.mirror('tasks', [
      { no: '1', who: 17 },
      { no: '2', who: 18 },
    ]);
    const job = await from.mirror('tasks', [], 'deletes=apply');
    await from.mirror('teams', [{ no: '18' }]);

    expect(await told(await revert(job))).toEqual([
      [
        '1',
        'unresolved_doer',
        {
          who: [
            'Waits for persons 17: there is no such live row yet',
            'Waits for teams 17: there is no such live row yet',
          ],
        },
      ],
      ['2', 'unresolved_doer', { who: ['Waits for persons 18: there is no such live row yet'] }],
    ]);
  });
});

describe('a resource that is its own parent', () => {
  const missing = (boss: string) => ({ boss: [`Waits for persons ${boss}: there is no such live row yet`] });

  /** The same snapshot dry and for good: both tell the same. */
  async function mirrorTwice(records: unknown, query = ''): Promise<[counts: unknown, told: unknown]> {
    const dry = await from.mirror('persons', records, `dryRun=true&${query}`);
    const job = await from.mirror('persons', records, query);
    expect(dry.counts).toEqual(job.counts);
    expect(await told(dry)).toEqual(await told(job));
    return [job.counts, await told(job)];
  }

  it('has a dry run count parents that the snapshot would bring', async () => {
    const [counts, errors] = await mirrorTwice([person('a'), person('b', 'a'), person('c', 'b'), person('d', 'z')]);

    expect(counts).toMatchObject({ created: 4, unresolved: 1 });
    expect(errors).toEqual([['d', 'unresolved_superior', missing('z')]]);
  });

  it('has a dry run count out parents that the snapshot would take', async () => {
    await from.mirror('persons', [person('a'), person('b', 'a'), person('c', 'b'), person('z')]);

    const [counts, errors] = await mirrorTwice([person('b', 'a'), person('c', 'b'), person('z')], 'deletes=apply');

    expect(counts).toMatchObject({ deleted: 1, unchanged: 3, unresolved: 1 });
    expect(errors).toEqual([['b', 'unresolved_superior', missing('a')]]);
  });

  it('has a dry run of a part count by the rows beside it, and deleted ones that come back', async () => {
    await from.mirror('persons', [person('a'), person('b', 'a')]);
    await from.mirror('persons', [person('b', 'a')], 'deletes=apply');

    expect(await mirrorTwice([person('c', 'b'), person('d', 'a')], 'mode=partial')).toMatchObject([
      { created: 2, unresolved: 1 },
      [['d', 'unresolved_superior', missing('a')]],
    ]);
    expect(await mirrorTwice([person('a'), person('e', 'a')], 'mode=partial')).toMatchObject([
      { created: 2, unresolved: 0 },
      [],
    ]);
  });

  it('has nothing unresolved after a revert that brings parents and children back', async () => {
    await from.mirror('persons', [person('a'), person('b', 'a'), person('c', 'z')]);
    const job = await from.mirror('persons', [], 'deletes=apply');

    for (const query of ['?dryRun=true', '']) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      const reverted = await revert(job, query);
      expect(reverted.counts).toMatchObject({ created: 3, unresolved: 1 });
      expect(await told(reverted)).toEqual([['c', 'unresolved_superior', missing('z')]]);
    }
    expect((await from.list('persons')).map(({ externalId }) => externalId)).toEqual(['a', 'b']);
  });
});
