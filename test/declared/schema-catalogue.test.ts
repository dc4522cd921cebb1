import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { plainResources } from '../../src/resources.js';
import { Routes } from '../../src/access/routes.js';
import { Definitions } from '../../src/definitions/definitions.js';
import { readShape } from '../../src/definitions/read-shape.js';
import { literal } from '../../src/database/database.js';
import { APP_ROLE, SOURCE_SETTING } from '../../src/database/source-isolation.js';
import { readListQuery } from '../../src/sync/lists/list-query.js';
import { type PageEnd, RowPage } from '../../src/sync/lists/row-page.js';
import { MirrorTables } from '../../src/sync/tables/mirror-table.js';
import type { TestServer } from '../setup/test-server.js';
import { Installation } from './installation.js';

const SAMPLES = join(import.meta.dirname, '../resources');

/** A resource with every kind of list, of which there will be many rows. */
const readings = {
  name: 'readings',
  key: 'no',
  fields: { no: 'text', site: 'text(40)', at: 'instant', value: 'decimal(12,2)', note: 'text?', ok: 'boolean' },
  window: 'at',
  list: { filter: ['site', 'ok'], range: ['at', 'value'], search: ['note'], sort: ['at', '-value'] },
};

/** Values of every length that the types allow, in lists, keys and parents. */
const long = {
  name: 'long',
  key: ['one', 'two'],
  fields: { one: 'text(500)', two: 'text(1000)', note: 'text(10000)', short: 'text', above: 'text(1000)?' },
  parents: { above: { resource: 'long', by: 'above', totals: { belowCount: 'count' } } },
  list: { filter: ['note', 'short', 'one'], search: ['note', 'short'], sort: ['-short'] },
};

let here: Installation;
let server: TestServer;

beforeAll(async () => {
  here = await Installation.create();
  for (const file of readdirSync(SAMPLES)) here.write(file, readFileSync(join(SAMPLES, file), 'utf8'));
  here.declare(readings, long);
  server = await here.start();
});

afterAll(() => here.close());

const DECLARED = `c.relkind = 'r' and c.relname like 'mirrored%'`;

describe('the tables of declared resources', () => {
  it('are there for each of the samples', async () => {
    const names = server.app
      .get(Definitions)
      .all.filter(({ own }) => own.table === undefined)
      .map(({ name }) => `mirrored_${name}`);

    const tables = await here.query<{ name: string }>(
      `select relname as name from pg_class c where ${DECLARED} and relname not like '%_totals'`,
    );

    expect(names).toHaveLength(6 + plainResources.length);
    expect(tables.map(({ name }) => name).toSorted()).toEqual(names.toSorted());
  });

  it('have no foreign keys, which would tie partitions to each other', async () => {
    expect(
      await here.query(
        `select conname from pg_constraint join pg_class c on c.oid = conrelid where ${DECLARED} and contype = 'f'`,
      ),
    ).toEqual([]);
  });

  it('have the source in every primary and unique key, and at the start of every index', async () => {
    const indexes = await here.query(
      `select i.indexrelid::regclass::text as name, i.indisunique,
              (select attname from pg_attribute where attrelid = i.indrelid and attnum = i.indkey[0]) as first
         from pg_index i join pg_class c on c.oid = i.indrelid where ${DECLARED}`,
    );

    expect(indexes.filter(({ indisunique }) => indisunique).length).toBeGreaterThan(10);
    expect(indexes.filter(({ first }) => first !== 'source_id')).toEqual([]);
  });

  it('have policies that read and write by the same condition', async () => {
    const policies = await here.query(
      `select tablename, policyname, qual, with_check from pg_policies where tablename like 'mirrored%'`,
    );

    expect(policies.length).toBeGreaterThan(10);
    expect(policies.filter(({ qual, with_check }) => qual !== with_check)).toEqual([]);
  });

  it('are nobody’s but the two roles’', async () => {
    const grants = await here.query(
      `select distinct grantee, privilege_type from information_schema.role_table_grants
        where table_name like 'mirrored%' and grantee not in (current_user, 'counterpart_system') order by 1, 2`,
    );

    expect(grants).toEqual(
      ['DELETE', 'INSERT', 'SELECT', 'UPDATE'].map((privilege_type) => ({ grantee: APP_ROLE, privilege_type })),
    );
  });
});

it('every path of our own is one that no resource can have', () => {
  const declared = server.app.get(Definitions).all.map(({ name }) => name);
  const segments = server.app
    .get(Routes)
    .list()
    .map(({ path }) => path.split('/')[1] ?? '');
  const ours = [...new Set(segments)].filter((segment) => !declared.includes(segment));

  expect(ours.length).toBeGreaterThan(8);
  for (const name of [...ours, 'docs', 'admin', 'openapi', 'console']) {
    expect(readShape({ name, fields: {} }).faults).toEqual([
      { path: ['name'], detail: 'is a path of the server itself' },
    ]);
  }
});

describe('a list of many rows', () => {
  /** Of the source whose rows are listed. */
  let sourceId: number;

  beforeAll(async () => {
    await server.mirror('/readings', [{ no: 'first', site: 'x', at: '2020-01-01', value: 1, ok: true }]);
    const [source] = await here.query(`select id from source where name = 'default'`);
    sourceId = source.id;
    // Ten sources with a thousand rows each. Nobody else has these ids.
    await here.query(
      `insert into mirrored_readings (source_id, external_id, no, site, at, value, note, ok, created, updated)
       select ${sourceId} + n % 10, 'r' || n, 'r' || n, 'site' || n % 500, timestamptz '2026-01-01' + n * interval '1 hour',
              n % 997, 'note ' || n, n % 100 = 0, now(), now()
         from generate_series(10, 20000) n`,
    );
    await here.query('analyze mirrored_readings');
  });

  /** How PostgreSQL reads a page for the application's role within the source. */
  async function planOf(sent: Record<string, string>, end: PageEnd | null = null): Promise<string> {
    const definition = server.app.get(Definitions).get('readings');
    const mirror = server.app.get(MirrorTables).of('readings');
    const { sql, values } = new RowPage(mirror, sourceId, readListQuery(definition, sent, 1_000), end).statement();
    const statement = sql.replaceAll('?', () => literal(String(values.shift())));
    const client = new pg.Client(server.databaseUrl);
    await client.connect();
    try {
      await client.query(`set role ${APP_ROLE}; set ${SOURCE_SETTING} = '${sourceId}'`);
      const { rows } = await client.query<{ 'QUERY PLAN': string }>(`explain (costs off) ${statement}`);
      return rows.map((row) => row['QUERY PLAN']).join('\n');
    } finally {
      await client.end();
    }
  }

  it.each([
    ['a filter', { site: 'site7' }, /site = 'site7'/],
    ['a rare value of a filter', { ok: 'true', sort: 'externalId' }, /ok = true/],
    ['a range of instants', { at_min: '2027-06-01', at_max: '2027-06-02' }, /at >= .* AND .*at <= /],
    ['a range of amounts', { value_min: '5', value_max: '6' }, /value >= .* AND .*value <= /],
    ['an order', { sort: 'at' }, /source_id = /],
    ['a descending order', { sort: '-value' }, /source_id = /],
    ['the order of external ids', {}, /source_id = /],
    ['one row', { site: 'site7', sort: '-value', limit: '1' }, /site = 'site7'/],
  ])('is read by an index for %s', async (_, sent, condition) => {
    const plan = await planOf(sent);

    expect(plan).not.toMatch(/Seq Scan on mirrored_readings/);
    expect(plan).toMatch(/(Index (Only )?Scan|Bitmap Index Scan).* (using|on) "?mirrored_readings/);
    const conditions = plan.match(/Index Cond: .*/g)?.join('\n');
    expect(conditions).toMatch(condition);
    expect(conditions).toMatch(/source_id = /);
  });

  it.each([
    ['at', '2027-06-01', /at >= [^]*at IS NULL/],
    ['at', null, /at IS NULL/],
    ['-value', '100', /value <= '100/],
    ['-value', null, /value IS NULL[^]*value IS NOT NULL/],
  ])('is read from where a page of sort=%s ended, at %s', async (sort, key, condition) => {
    const plan = await planOf({ sort }, { asOf: '1790000000000', key, externalId: 'r15000' });

    const conditions = plan.match(/Index Cond: .*/g)?.join('\n');
    expect(conditions).toMatch(condition);
    // A condition on the key that is only checked is one of the tie, within what the index has found.
    expect(plan).not.toMatch(/Seq Scan on mirrored_readings/);
    expect(plan).not.toMatch(/IS NULL\)? OR|OR \(?\w+ IS NULL/);
  });
});

describe('the longest values', () => {
  /** Text that does not compress, in characters of four bytes. */
  const noise = (characters: number) =>
    Array.from({ length: characters }, () => String.fromCodePoint(0x20000 + Math.floor(Math.random() * 40_000))).join(
      '',
    );

  it('that a definition allows can be stored, listed and linked', async () => {
    const one = noise(250);
    const two = noise(374);
    const key = `${one}|${two}`;
    const child = { one: 'child', two: noise(500), note: noise(10_000), short: noise(250), above: key };

    const job = await server.mirror('/long', [
      child,
      { one, two, note: noise(10_000), short: noise(250), above: null },
    ]);

    expect(job).toMatchObject({ status: 'completed', counts: { created: 2, rejected: 0, unresolved: 0 } });
    expect(await server.get(`/long/${encodeURIComponent(key)}`)).toMatchObject({ externalId: key, belowCount: 1 });
    expect((await server.get('/long?sort=-short')).items).toHaveLength(2);
    // The change log has an index by external ids too.
    const updated = await server.mirror('/long?mode=partial', [
      { ...child, note: '' },
      { one, two, note: '', short: '' },
    ]);
    expect(updated).toMatchObject({ status: 'completed', counts: { updated: 2 } });
    expect((await server.get(`/long?short=${encodeURIComponent(child.short)}`)).items).toMatchObject([
      { one: 'child' },
    ]);
  });

  it('of keys that are too long for an index are rejected, and the rest is mirrored', async () => {
    const short = { note: '', short: '' };

    const job = await server.mirror('/long?mode=partial', [
      { ...short, one: noise(500), two: noise(499) },
      { ...short, one: 'a'.repeat(500), two: 'b'.repeat(500) },
      { ...short, one: 'a'.repeat(500), two: 'b'.repeat(499) },
    ]);

    expect(job).toMatchObject({ status: 'completed', counts: { created: 1, rejected: 2 } });
    const { items } = await server.get(`/sync/jobs/${job.id}/errors`);
    expect(items.map(({ errors }: any) => errors)).toEqual([
      { externalId: ['External id must have at most 2500 bytes in UTF-8'] },
      { externalId: ['External id must have at most 1000 characters'] },
    ]);
  });
});
