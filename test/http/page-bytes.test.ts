import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startTestServer, type TestServer } from '../setup/test-server.js';

const ROWS = 9;

/** Nearly the mebibyte that a record may have. */
const LARGE = 900_000;

/** What a page may have at most: its limit, and one row with its values before and after. */
const MOST = 4 * 1024 ** 2 + 2 * LARGE + 100_000;

let server: TestServer;
let directory: string;
let jobs: Record<'created' | 'updated' | 'planned' | 'rejected', string>;

const records = (character: string) =>
  Array.from({ length: ROWS }, (_, index) => ({
    no: String(10 + index),
    rank: index % 3,
    value: { text: character.repeat(LARGE) },
  }));

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'counterpart-pages-'));
  await writeFile(
    join(directory, 'documents.yaml'),
    'name: documents\nkey: no\nfields: { no: text, rank: integer?, value: json }\nlist: { sort: [rank, -rank] }\n',
  );
  server = await startTestServer({ RESOURCES_DIR: directory });
  const created = await server.mirror('/documents', records('a'));
  const planned = await server.mirror('/documents?dryRun=true', records('b'));
  const updated = await server.mirror('/documents', records('b'));
  for (const character of ['c', 'd', 'e']) {
    // oxlint-disable-next-line no-await-in-loop -- one version after the other
    await server.mirror('/documents?mode=partial', records(character).slice(0, 1));
  }
  const rejected = await server.mirror(
    '/documents?mode=partial',
    records('z').map((record) => ({ ...record, rank: 'none' })),
  );
  jobs = { created: created.id, planned: planned.id, updated: updated.id, rejected: rejected.id };
}, 120_000);

afterAll(async () => {
  await server.close();
  await rm(directory, { recursive: true });
});

/** Every item of a list, by pages of a thousand. */
async function allOf(path: string): Promise<{ items: any[]; pages: number; longest: number }> {
  const items: any[] = [];
  let [cursor, pages, longest]: [string | null, number, number] = [null, 0, 0];
  do {
    // oxlint-disable-next-line no-await-in-loop -- over pages
    const text = await (
      await server.fetch(
        `${path}${path.includes('?') ? '&' : '?'}limit=1000${cursor === null ? '' : `&cursor=${cursor}`}`,
      )
    ).text();
    const page = JSON.parse(text);
    longest = Math.max(longest, text.length);
    pages += 1;
    items.push(...page.items);
    cursor = page.items.length === 0 ? null : page.nextCursor;
  } while (cursor !== null);
  return { items, pages, longest };
}

const ids = records('a').map(({ no }) => no);

describe('a page of large rows is shorter than its limit, and the next one goes on', () => {
  it.each([
    ['a list', () => '/documents', ids],
    [
      'a list in another order',
      () => '/documents?sort=rank',
      [0, 1, 2].flatMap((rank) => ids.filter((_, index) => index % 3 === rank)),
    ],
    [
      'a list in a descending order',
      () => '/documents?sort=-rank',
      [2, 1, 0].flatMap((rank) => ids.filter((_, index) => index % 3 === rank)),
    ],
    ['the changes of a job that created', () => `/sync/jobs/${jobs.created}/changes`, ids],
    ['the changes of a job that updated', () => `/sync/jobs/${jobs.updated}/changes`, ids],
    ['a plan', () => `/sync/jobs/${jobs.planned}/plan`, ids],
    ['errors', () => `/sync/jobs/${jobs.rejected}/errors`, ids],
    ['the feed', () => '/changes', [...ids, ...ids, '10', '10', '10']],
  ])('%s', async (_, path, expected) => {
    const { items, pages, longest } = await allOf(path());

    expect(items.map(({ externalId }) => externalId)).toEqual(expected);
    expect(longest).toBeLessThan(MOST);
    expect(pages).toBeGreaterThan(1);
  });

  it('the history of a row', async () => {
    const { items, longest } = await allOf('/documents/10/history');

    expect(items.map(({ after }) => after.value.text[0]).join('')).toBe('edcba');
    expect(longest).toBeLessThan(MOST);
  });
});

it.each([
  ['changes', () => `/sync/jobs/${jobs.updated}/changes`],
  ['plan', () => `/sync/jobs/${jobs.planned}/plan`],
  ['errors', () => `/sync/jobs/${jobs.rejected}/errors`],
])('an export of %s holds every row', async (_, path) => {
  const response = await server.fetch(path(), { headers: { Accept: 'application/x-ndjson' } });

  const lines = (await response.text()).trimEnd().split('\n');
  expect(lines.map((line) => JSON.parse(line).externalId)).toEqual(ids);
});
