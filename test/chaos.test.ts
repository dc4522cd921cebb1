import { describe, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { IS_EXHAUSTIVE } from './setup/exhaustive.js';
import { backendsOr } from './setup/test-server.js';

/** Six seconds of faults, or half a minute; the start before them and the checks after them take about ten. */
const MINUTES = IS_EXHAUSTIVE ? 0.5 : 0.1;
const LIMIT_MS = 180_000;

describe.each(backendsOr('redis'))('a short chaos run, on the %s queue', (backend) => {
  it(
    'loses no job, shows no torn read, and ends with the mirror of the accepted snapshots',
    async () => {
      const { code, summary } = await chaos(['--minutes', String(MINUTES), '--backend', backend]);

      expect(summary.findings).toEqual({});
      expect(code).toBe(0);
      expect(summary.accepted).toBeGreaterThan(10);
      expect(summary.reads).toBeGreaterThan(10);
      expect(summary.rowsCompared).toBeGreaterThan(100);
      expect(summary.pulls).toBeGreaterThan(0);
      expect(summary.balancesCompared).toBe(320);
      expect(Object.keys(summary.faults).length).toBeGreaterThan(IS_EXHAUSTIVE ? 2 : 0);
    },
    LIMIT_MS,
  );
});

/** Runs the program as people do; it prints one line of JSON for programs. */
async function chaos(options: string[]) {
  const child = spawn('npm', ['run', '--silent', 'chaos', '--', ...options], { stdio: ['ignore', 'pipe', 'inherit'] });
  let printed = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (printed += text));
  const [code] = await once(child, 'close');
  const line = printed.split('\n').find((text) => text.startsWith('{'));
  if (line === undefined) throw new Error(`the run did not finish:\n${printed}`);
  return { code: code as number, summary: JSON.parse(line) };
}
