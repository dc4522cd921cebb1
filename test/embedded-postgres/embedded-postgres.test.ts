import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type ChildProcess, spawn } from 'node:child_process';
import {
  chmodSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import {
  type EmbeddedPostgres,
  startEmbeddedPostgres,
} from '../../src/database/embedded-postgres/embedded-postgres.js';
import { buildProject, ended, launch, query, settings, until } from './launched-app.js';
import { birthOf } from '../../src/database/embedded-postgres/processes.js';

const asRoot = process.getuid?.() === 0 ? it : it.skip;
const onLinux = process.platform === 'linux' ? it : it.skip;

const root = mkdtempSync(join(tmpdir(), 'embedded-postgres-'));
const project = join(root, 'project');
const started: EmbeddedPostgres[] = [];
const apps: ChildProcess[] = [];
let directories = 0;

beforeAll(() => {
  chmodSync(root, 0o755);
  buildProject(project);
  symlinkSync(resolve('node_modules'), join(project, 'node_modules'));
});

afterAll(async () => {
  for (const running of started) await running.stop();
  for (const app of apps) {
    if (app.exitCode === null && app.signalCode === null) await ended(app, () => app.stdin?.end());
  }
  rmSync(root, { recursive: true, force: true });
});

describe('the embedded PostgreSQL', () => {
  it('keeps its data over a restart, and leaves no process running', async () => {
    const dataDir = newDirectory();
    const first = await start(dataDir);
    await query(first.url, 'create table kept as select 42 as answer');
    const postmaster = postmasterOf(dataDir);
    await first.stop();
    await first.stop();
    expect(await isAlive(postmaster)).toBe(false);

    const second = await start(dataDir);

    expect(await query(second.url, 'select answer from kept')).toEqual([{ answer: 42 }]);
    expect(await query(second.url, `select current_database() as name, lower('Ä') as lower`)).toEqual([
      { name: 'counterpart', lower: 'ä' },
    ]);
  });

  it('lets only the users who need them read the password and the data', async () => {
    const dataDir = newDirectory();
    const { url, stop } = await start(dataDir);

    expect(statSync(join(dataDir, 'password')).mode & 0o777).toBe(0o600);
    expect(statSync(join(dataDir, 'cluster')).mode & 0o777).toBe(0o700);
    expect(readdirSync(dataDir).filter((name) => name.startsWith('initdb'))).toEqual([]);
    await expect(query(url.replace(/:[^:@]+@/, ':wrong@'), 'select 1')).rejects.toMatchObject({ code: '28P01' });
    await stop();
  });

  it('starts on two data directories at once', async () => {
    const [one, other] = await Promise.all([start(newDirectory()), start(newDirectory())]);

    expect(one.port).not.toBe(other.port);
    expect(await query(one.url, 'select 1 as one')).toEqual(await query(other.url, 'select 1 as one'));
  });

  it('refuses a data directory that another process, or this one, uses', async () => {
    const dataDir = newDirectory();
    const { app } = await startApp(dataDir);

    await expect(start(dataDir)).rejects.toMatchObject({ name: 'DataDirectoryInUseError', pid: app.pid });

    await ended(app, () => app.stdin?.end());
    await start(dataDir);
    await expect(start(dataDir)).rejects.toMatchObject({ name: 'DataDirectoryInUseError', pid: process.pid });
  });

  it('gives a data directory to one of several processes that start on it at the same time', async () => {
    const dataDir = newDirectory();

    const outcomes = await Promise.all([1, 2, 3, 4].map(() => startApp(dataDir)));

    const winners = outcomes.filter(({ outcome }) => outcome.url);
    const refusals = outcomes.flatMap(({ outcome }) => outcome.refusal ?? []);
    expect(winners).toHaveLength(1);
    expect(refusals).toEqual(Array(3).fill('DataDirectoryInUseError'));
  });

  it('stops when its application is killed, and can be started again at once with what was committed', async () => {
    const dataDir = newDirectory();
    const { app, outcome } = await startApp(dataDir);
    await query(outcome.url, 'create table kept as select 1 as answer');
    const postmaster = postmasterOf(dataDir);

    await ended(app, () => app.kill('SIGKILL'));
    const next = await start(dataDir);

    expect(await isAlive(postmaster)).toBe(false);
    expect(await query(next.url, 'select answer from kept')).toEqual([{ answer: 1 }]);
  });

  it('stops by itself when its application is killed and not started again', async () => {
    const dataDir = newDirectory();
    const { app } = await startApp(dataDir);
    const postmaster = postmasterOf(dataDir);

    await ended(app, () => app.kill('SIGKILL'));

    await until(async () => !(await isAlive(postmaster)));
    expect(await isAlive(postmaster)).toBe(false);
  });

  onLinux('ends an old server whose app and watchdog were both killed', async () => {
    const dataDir = newDirectory();
    const { app } = await startApp(dataDir);
    const postmaster = postmasterOf(dataDir);
    process.kill(parentOf(postmaster), 'SIGKILL');
    await ended(app, () => app.kill('SIGKILL'));

    await start(dataDir);

    expect(await isAlive(postmaster)).toBe(false);
  });

  it('is started again on the same port after its postmaster is killed', async () => {
    const dataDir = newDirectory();
    const { url } = await start(dataDir);
    await query(url, 'create table kept as select 7 as answer');

    process.kill(postmasterOf(dataDir), 'SIGKILL');

    await until(() =>
      query(url, 'select answer from kept').then(
        ([row]) => row?.answer === 7,
        () => false,
      ),
    );
    expect(await query(url, 'select answer from kept')).toEqual([{ answer: 7 }]);
  });

  // As root it used to append PostgreSQL's messages to whatever file a link in place of its log led to.
  it.each(['symbolic', 'hard'] as const)(
    'does not write to another file by a %s link in place of its log',
    async (kind) => {
      const dataDir = newDirectory();
      await (await start(dataDir)).stop();
      const [log, victim] = [join(dataDir, 'postgres.log'), join(dataDir, '..', 'victim')];
      writeFileSync(victim, 'as it was');
      rmSync(log);
      if (kind === 'symbolic') symlinkSync(victim, log);
      else linkSync(victim, log);

      await expect(start(dataDir)).rejects.toThrow(/postgres\.log is not an ordinary file of its own/);

      expect(readFileSync(victim, 'utf8')).toBe('as it was');
    },
  );

  it('neither reads its password through a link, nor writes it through one', async () => {
    const dataDir = newDirectory();
    const victim = join(dataDir, '..', 'victim');
    mkdirSync(dataDir, { recursive: true });
    writeFileSync(victim, 'as it was');
    chmodSync(victim, 0o644);
    symlinkSync(victim, join(dataDir, 'password.new'));
    const password = join(dataDir, 'password');

    await (await start(dataDir)).stop();
    expect(statSync(password)).toMatchObject({ nlink: 1 });
    rmSync(password);
    symlinkSync(victim, password);

    await expect(start(dataDir)).rejects.toThrow(/password is not an ordinary file of its own/);
    expect([readFileSync(victim, 'utf8'), statSync(victim).mode & 0o777]).toEqual(['as it was', 0o644]);
  });

  asRoot('starts although postmaster.pid names a stranger of the same user', async () => {
    const dataDir = newDirectory();
    await (await start(dataDir)).stop();
    const { uid, gid } = statSync(join(dataDir, 'cluster'));
    const stranger = spawn('sleep', ['60'], { uid, gid, cwd: '/' });
    writeFileSync(
      join(dataDir, 'cluster', 'postmaster.pid'),
      `${stranger.pid}\n${dataDir}/cluster\n1\n1\n\n127.0.0.1\n`,
    );

    const { url } = await start(dataDir);

    expect(await query(url, 'select 1 as one')).toEqual([{ one: 1 }]);
    expect(stranger.exitCode).toBeNull();
    await ended(stranger, () => stranger.kill());
  });
});

function newDirectory(): string {
  return join(root, String(++directories), 'data');
}

async function start(dataDir: string): Promise<EmbeddedPostgres> {
  const running = await startEmbeddedPostgres({ dataDir, settings });
  started.push(running);
  return running;
}

async function startApp(dataDir: string) {
  const launched = await launch(dataDir, project);
  apps.push(launched.app);
  return launched;
}

function postmasterOf(dataDir: string): number {
  return Number.parseInt(readFileSync(join(dataDir, 'cluster', 'postmaster.pid'), 'utf8'), 10);
}

function parentOf(pid: number): number {
  return Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}

/** A killed process whose parent was killed first may stay a zombie for long, which counts as ended. */
async function isAlive(pid: number): Promise<boolean> {
  return (await birthOf(pid)) !== undefined;
}
