import { describe, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { BACKENDS } from './setup/test-server.js';

/** A fifth of a minute of faults; what starts before and settles after takes about as long. */
const MINUTES = 0.2;
const LIMIT_MS = 180_000;

describe.each(BACKENDS)('a short chaos run, on the %s queue', (backend) => {
  it(
    'loses nothing, tears no read, and ends with the mirror that the accepted snapshots make',
    async () => {
      const { code, summary } = await chaos(['--minutes', String(MINUTES), '--backend', backend]);

      expect(summary.findings).toEqual({});
      expect(code).toBe(0);
      expect(summary.accepted).toBeGreaterThan(10);
      expect(summary.reads).toBeGreaterThan(10);
      expect(summary.rowsCompared).toBeGreaterThan(100);
      expect(Object.keys(summary.faults).length).toBeGreaterThan(1);
    },
    LIMIT_MS,
  );
});

/** Runs the program as its readers would; the last line of what it prints is for programs. */
async function chaos(options: string[]) {
  const child = spawn('npm', ['run', '--silent', 'chaos', '--', ...options], { stdio: ['ignore', 'pipe', 'inherit'] });
  let printed = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (printed += text));
  const [code] = await once(child, 'close');
  const line = printed.split('\n').find((text) => text.startsWith('{'));
  if (line === undefined) throw new Error(`the run came to no end:\n${printed}`);
  return { code: code as number, summary: JSON.parse(line) };
}
