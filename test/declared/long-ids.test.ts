import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { TestServer } from '../setup/test-server.js';
import { Installation } from './installation.js';

let here: Installation;
let server: TestServer;

beforeAll(async () => {
  here = await Installation.create();
  here.declare({
    name: 'codes',
    key: ['a', 'b', 'c', 'd'],
    fields: { a: 'text', b: 'text', c: 'text', d: 'text', note: 'text' },
    list: { sort: ['note', '-note'] },
  });
  server = await here.start();
});

afterAll(() => here.close());

/** Three records with ids of so many characters, and as notes. */
const records = (character: string, characters: number) =>
  ['1', '2', '3'].map((first) => ({
    a: first + character.repeat(characters - 1),
    b: character.repeat(characters),
    c: character.repeat(characters),
    d: character.repeat(characters),
    note: first + character.repeat(249),
  }));

it.each([
  ['control characters, which JSON writes with six', '\u0001', 249],
  ['four bytes in UTF-8', '\u{1F600}', 156],
  ['quotation marks', '"', 249],
])('lists of the longest external ids go on to their end: %s', async (_, character, characters) => {
  const sent = records(character, characters);
  await server.mirror('/codes?deletes=apply', sent);
  const ids = sent.map(({ a, b, c, d }) => [a, b, c, d].join('|'));
  expect((await server.get('/codes')).items.map(({ externalId }: any) => externalId)).toEqual(ids);

  for (const [sort, expected] of [
    ['externalId', ids],
    ['note', ids],
    ['-note', ids.toReversed()],
  ] as const) {
    const found: string[] = [];
    let path: string | null = `/codes?limit=1&sort=${sort}`;
    while (path !== null) {
      // oxlint-disable-next-line no-await-in-loop -- over pages
      const page: any = await server.get(path);
      found.push(...page.items.map(({ externalId }: any) => externalId));
      expect(page.nextCursor?.length ?? 0).toBeLessThanOrEqual(5_000);
      path = page.nextCursor === null ? null : `/codes?limit=1&sort=${sort}&cursor=${page.nextCursor}`;
    }
    expect(found).toEqual(expected);
  }
});
