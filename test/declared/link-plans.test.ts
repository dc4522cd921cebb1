import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { literal } from '../../src/database/database.js';
import { APP_ROLE, SOURCE_SETTING } from '../../src/database/source-isolation.js';
import { liveParents } from '../../src/sync/tables/mirror-sql.js';
import { MirrorTables } from '../../src/sync/tables/mirror-table.js';
import { linkArrived } from '../../src/sync/reconcile/relink-children.js';
import type { TestServer } from '../setup/test-server.js';
import { Installation } from './installation.js';

const DEVICE = '0193de4c-5b6a-7c21-9f60-0f3a1de0a8c2';

/** Rows of each of ten sources. */
const ROWS = 2_000;

let here: Installation;
let server: TestServer;
let sourceId: number;

beforeAll(async () => {
  here = await Installation.create();
  here.declare(
    { name: 'persons', key: 'no', fields: { no: 'text' } },
    {
      name: 'tasks',
      key: 'no',
      fields: { no: 'text', who: 'integer', device: 'uuid', site: 'text' },
      parents: Object.fromEntries(['who', 'device', 'site'].map((by) => [by, { resource: 'persons', by }])),
    },
  );
  server = await here.start();
  await server.mirror('/tasks', [{ no: 'first', who: 0, device: DEVICE, site: 'x' }]);
  const [source] = await here.query(`select id from source where name = 'default'`);
  sourceId = source.id;
  await here.query(
    `insert into mirrored_persons (source_id, external_id, no, created, updated)
     select ${sourceId} + n % 10, n::text, n::text, now(), now() from generate_series(1, ${ROWS * 10}) n;
     insert into mirrored_tasks (source_id, external_id, no, who, device, site, created, updated)
     select ${sourceId} + n % 10, n::text, n::text, n, gen_random_uuid(), n::text, now(), now()
       from generate_series(1, ${ROWS * 10}) n;
     analyze mirrored_persons, mirrored_tasks`,
  );
});

afterAll(() => here.close());

/** The conditions by which PostgreSQL looks into the indexes of a table, for the application's role within the source. */
async function indexConditions(table: string, statement: string, prepare = ''): Promise<string> {
  const client = new pg.Client(server.databaseUrl);
  await client.connect();
  try {
    await client.query(`set role ${APP_ROLE}; set ${SOURCE_SETTING} = '${sourceId}'; begin; ${prepare}`);
    const { rows } = await client.query<{ 'QUERY PLAN': string }>(`explain (costs off) ${statement}`);
    const lines = rows.map((row) => row['QUERY PLAN']);
    expect(lines.join('\n')).not.toContain(`Seq Scan on ${table}`);
    return lines.filter((line) => line.includes('Index Cond: ')).join('\n');
  } finally {
    await client.end();
  }
}

describe('rows that are linked by a number, a uuid or a text', () => {
  const mirrorOf = (resource: string) => server.app.get(MirrorTables).of(resource);

  it('find each of their parents by its external id in the index', async () => {
    const tasks = mirrorOf('tasks');
    const records = `(select 5::bigint as "who", ${literal(DEVICE)}::uuid as "device", '7'::text collate "C" as "site" offset 0) d`;

    const conditions = await indexConditions(
      'mirrored_persons',
      `select p0.id, p1.id, p2.id from ${records} ${liveParents(tasks, sourceId, 'd')}`,
    );

    expect(conditions.match(/source_id = \d+\) AND \(external_id = /g)).toHaveLength(3);
  });

  it.each(['who', 'device', 'site'])('are found by the parents that arrive, which they name by %s', async (by) => {
    const tasks = mirrorOf('tasks');
    const link = tasks.links.find(({ parent }) => parent.by === by);
    if (!link) throw new Error(`tasks have no parent ${by}`);
    const difference = `
      create temporary table difference as select 'I'::"char" as "$operation", '17'::text collate "C" as external_id;
      analyze difference`;

    const conditions = await indexConditions('mirrored_tasks', linkArrived(sourceId, tasks, link), difference);

    expect(conditions).toMatch(new RegExp(`Index Cond: .*source_id = .*${by}.*= d.external_id`));
  });
});
