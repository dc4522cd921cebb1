import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startTestServer, type TestServer } from './setup/test-server.js';

interface PatientPage {
  items: { externalId: string; paymentsTotal: string; lastName: string }[];
  nextCursor: string | null;
}

const IDS = Array.from({ length: 12 }, (_, place) => String(place));

/** Patients whose names, and payments whose amounts, sort in the order of `rank`. */
function patientsBy(rank: (place: number) => number) {
  return IDS.map((externalId, place) => ({ externalId, firstName: 'Ann', lastName: `Name ${100 + rank(place)}` }));
}

function paymentsBy(rank: (place: number) => number) {
  return IDS.map((patientId, place) => ({ externalId: `p${patientId}`, patientId, amount: 10 + rank(place) }));
}

describe('paging while the order of the list changes', () => {
  let server: TestServer;
  const upwards = (place: number) => place;
  const downwards = (place: number) => IDS.length - place;
  const aside = (place: number) => (place * 5) % IDS.length;

  beforeAll(async () => {
    server = await startTestServer();
  });

  afterAll(() => server.close());

  /** Reads the whole list in pages of `limit`; `between` runs after each page. */
  async function readAll(path: string, between: (page: number) => Promise<unknown>): Promise<string[]> {
    const seen: string[] = [];
    let cursor: string | null = '';
    for (let page = 0; cursor !== null; page += 1) {
      const { items, nextCursor }: PatientPage = await server.get(`${path}${cursor && `&cursor=${cursor}`}`);
      seen.push(...items.map(({ externalId }) => externalId));
      cursor = nextCursor;
      if (cursor !== null) await between(page);
    }
    return seen;
  }

  it.each(['paymentsTotal', '-paymentsTotal', 'lastName', 'externalId'])(
    'by %s neither skips nor repeats a row whose key moves from page to page',
    async (sort) => {
      const ranks = [downwards, aside, upwards];
      await server.mirror('/patients', patientsBy(upwards));
      await server.mirror('/payments', paymentsBy(upwards));

      const seen = await readAll(`/patients?limit=3&sort=${sort}`, async (page) => {
        const rank = ranks[page % ranks.length] ?? upwards;
        await server.mirror('/payments', paymentsBy(rank));
        await server.mirror('/patients', patientsBy(rank));
      });

      expect(seen.toSorted()).toEqual(IDS.toSorted());
    },
  );

  it('keeps the order of the first page', async () => {
    await server.mirror('/patients', patientsBy(upwards));
    await server.mirror('/payments', paymentsBy(upwards));

    const seen = await readAll('/patients?limit=5&sort=-paymentsTotal', () =>
      server.mirror('/payments', paymentsBy(downwards)),
    );

    expect(seen).toEqual(IDS.toReversed());
  });

  // Each patient was compared with each row that had changed since: 30 s, and a 503, with these numbers.
  it('goes on in time after tens of thousands of rows were changed', async () => {
    const from = { 'X-Source': 'large' };
    const patients = (firstName: string) =>
      Array.from({ length: 30_000 }, (_, n) => ({ externalId: String(n), firstName, lastName: `Name ${n % 7}` }));
    await server.mirror('/patients', patients('Ann'), from);
    const first: PatientPage = await server.get('/patients?limit=1000&sort=lastName', { headers: from });
    await server.mirror('/patients', patients('Eve'), from);

    const path = `/patients?limit=1000&sort=lastName&cursor=${first.nextCursor}`;
    const response = await server.fetch(path, { headers: from });

    expect(response.status).toBe(200);
    const second = (await response.json()) as PatientPage;
    const ids = [...first.items, ...second.items].map(({ externalId }) => externalId);
    expect(second.items).toHaveLength(1000);
    expect(new Set(ids).size).toBe(2000);
  }, 90_000);
});
