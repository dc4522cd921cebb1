import { MikroORM } from '@mikro-orm/postgresql';
import { expect, it } from '@jest/globals';
import pg from 'pg';
import { migrationOptions } from '../src/app.module.js';
import { migrate } from '../src/migrations/migrate.js';
import { createEmptyDatabase, query, until } from './setup/test-server.js';

it('jobs are accepted while the primary keys of patients and payments are rebuilt', async () => {
  const url = await createEmptyDatabase();
  const orm = new MikroORM(migrationOptions(url));
  await orm.migrator.up({ to: 'Migration20261201ForeignKeys' });
  await orm.close();
  // Keeps the rebuilding of the second table waiting, while that of the first one has its locks.
  const reader = new pg.Client(url);
  await reader.connect();
  await reader.query('begin; lock table payment in access share mode');

  const migrated = migrate(migrationOptions(url), url, null);
  await until('the second table is waited for', async () => {
    const waiting = await query(url, `select from pg_locks where relation = 'payment'::regclass and not granted`);
    return waiting.length === 1;
  });
  const locked = await query(
    url,
    `select distinct relation::regclass::text as name from pg_locks join pg_class on pg_class.oid = relation
      where mode = 'AccessExclusiveLock' and granted and relkind in ('r', 'p') order by 1`,
  );
  await reader.end();
  await migrated;

  expect(locked).toEqual([{ name: 'patient' }]);
  const keys = `select conname from pg_constraint where contype = 'f' and conrelid in ('patient'::regclass, 'payment'::regclass)`;
  expect(await query(url, keys)).toEqual([]);
});

it('migrations that were done in another order are not done again', async () => {
  const url = await createEmptyDatabase();
  await migrate(migrationOptions(url), url, null);
  const before = await query(url, 'select name from mikro_orm_migrations order by id');
  // As a version had it that dropped the foreign keys with the primary keys.
  await query(url, `delete from mikro_orm_migrations where name = 'Migration20261201ForeignKeys'`);

  await migrate(migrationOptions(url), url, null);

  expect(await query(url, 'select name from mikro_orm_migrations order by name')).toEqual(
    before.toSorted((one, other) => (one.name < other.name ? -1 : 1)),
  );
});
