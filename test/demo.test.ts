import { expect, it, jest } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { commandEnvironment } from './setup/command-line.js';
import { createDatabase, startTestServer, until } from './setup/test-server.js';

/** A run of the demo takes 3 s on an idle machine. */
const SHOW_LIMIT_MS = 60_000;

jest.setTimeout(2 * SHOW_LIMIT_MS);

const CLI = join(import.meta.dirname, '../dist/cli.js');

function demo(parameters: string[], env: Record<string, string>) {
  return spawn(process.execPath, [CLI, 'demo', ...parameters], { env: { ...commandEnvironment(), ...env } });
}

async function outputOf(child: ReturnType<typeof demo>) {
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { code: code as number | null, stdout, stderr };
}

/** Waits until the show is over, and the demo's server stays up. @returns what it has printed, and how to stop it */
async function running(child: ReturnType<typeof demo>) {
  const closed = once(child, 'close');
  let stdout = '';
  child.stdout.on('data', (piece) => (stdout += String(piece)));
  await until('the show is over', () => stdout.includes('until Ctrl-C'), SHOW_LIMIT_MS);
  const stop = async () => {
    child.kill('SIGTERM');
    return (await closed)[0] as number | null;
  };
  return { stdout, url: /listening on (\S+)/.exec(stdout)?.[1] ?? '', stop };
}

/** The parts of a demo's output that must be the same in every run. What follows tells what its server is good for. */
function story(stdout: string): string {
  return stdout
    .slice(stdout.indexOf('── Day 1'))
    .replace(/── Yours to explore[\s\S]*/, '')
    .replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, 'JOB')
    .replace(/127\.0\.0\.1:\d+/g, 'HOST')
    .replace(/[\d.]+ s\)/g, 'TIME)')
    .replace(/^(Waiting|Reading|Reconciling|Applying).*\n/gm, '');
}

it('prints the same on a fresh database and after it was stopped, on another port if its own is in use', async () => {
  const env = { DATABASE_URL: await createDatabase(), PORT: '0' };
  const occupant = createServer().listen(0, '127.0.0.1');
  await once(occupant, 'listening');
  const { port } = occupant.address() as { port: number };

  const first = await outputOf(demo(['--exit'], env));
  const { stdout: second, url, stop } = await running(demo([], { ...env, PORT: String(port) }));
  const patients = await fetch(`${url}/patients?payment_min=10&payment_max=20`);
  const { items } = (await patients.json()) as { items: unknown[] };
  const code = await stop();

  expect(first).toMatchObject({ code: 0, stderr: '' });
  expect(first.stdout).toMatch(/^listening on http:\/\/127\.0\.0\.1:\d+$/m);
  expect(first.stdout).toMatch(/record 2 +13 +dateOfBirth: Date of birth cannot be in the future/);
  expect(first.stdout).toMatch(/11 +Ilka Morrow +1991-03-14 +2 +17\.25/);
  expect(first.stdout).toMatch(/16 +Sabine Arkwright .* 42\.00\n +14 .* 20\.00\n +11 .* 18\.25\n +13 .* 15\.00/);
  // Before and after the window: A-3 is gone, A-5 has moved, A-7 is new, and A-4 appears with its patient.
  expect(first.stdout).toMatch(/name: appointments\n +fields:\n/);
  expect(first.stdout).toMatch(/A-4 +patientId: Waits for patients 41: there is no such live row yet/);
  expect(first.stdout).toMatch(/ A-1 .*\n +A-2 .*\n +A-3 .*\n +A-5 +13 +2026-03-11 +crown +90\n +A-6 /);
  expect(first.stdout).toContain("/appointments?mode=window&from=2026-03-02&to=2026-03-09'");
  expect(first.stdout).toMatch(/A-6 +day: Day lies outside of the window of this snapshot/);
  expect(first.stdout).toMatch(
    / A-1 .*\n +A-2 .*\n +A-7 .*\n +A-4 .*\n +A-5 +13 +2026-03-06 +crown +90\n +A-6 +11 +2026-03-12 +cleaning +30\n/,
  );
  expect(first.stdout).toMatch(/awaiting_approval[\s\S]*It would delete 11, 13, 14, 16\.[\s\S]*patients rejected/);
  expect(first.stdout).toMatch(/0 +1234567893 +0\.00\n +1 +1234567893 +120\.50\n +all +120\.50/);
  expect(first.stdout).toMatch(/payment settled[\s\S]*1234567893 +120\.50 +1\n/);
  // Its output is for people: no log lines.
  expect(first.stdout).not.toContain('{"level"');
  expect(second).toContain(`Port ${port} is taken`);
  expect(story(second)).toBe(story(first.stdout));
  expect(items).toMatchObject([{ externalId: '11' }, { externalId: '13' }, { externalId: '14' }]);
  expect(code).toBe(0);
  occupant.close();
});

it('leaves out its own resource where others are declared', async () => {
  const RESOURCES_DIR = join(import.meta.dirname, 'resources');

  const { code, stdout } = await outputOf(
    demo(['--exit'], { DATABASE_URL: await createDatabase(), PORT: '0', RESOURCES_DIR }),
  );

  expect(code).toBe(0);
  expect(stdout).toContain('You have declared resources of your own');
  expect(stdout).not.toContain('appointments');
  expect(stdout).toContain('Yours to explore');
});

it('does not touch records that were mirrored before, and uses an internal key where keys are required', async () => {
  const server = await startTestServer();
  await server.mirror('/patients', [{ externalId: '1', firstName: 'Rick', lastName: 'Deckard' }]);

  const child = demo([], { DATABASE_URL: server.databaseUrl, PORT: '0', AUTH: 'keys' });
  const { stdout, url, stop } = await running(child);
  const withoutKey = await fetch(`${url}/patients`);

  expect(await stop()).toBe(0);
  expect(withoutKey.status).toBe(401);
  expect(stdout).toContain("'X-Source: demo'");
  expect(stdout).toContain('"X-API-Key: $COUNTERPART_KEY"');
  expect(stdout).toContain('npm run cli -- keys create');
  expect(stdout).not.toMatch(/cpk_/);
  expect((await server.get('/patients')).items).toMatchObject([{ externalId: '1' }]);
  await server.close();
});
