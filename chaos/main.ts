import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ChaosRun, type RunOptions } from './chaos-run.js';
import { report } from './report.js';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '5' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    backend: { type: 'string', default: 'postgresql' },
  },
});
const options = readOptions();
const folder = mkdtempSync(join(tmpdir(), 'counterpart-chaos-'));
// PostgreSQL runs as a user of its own, which has to reach its data.
chmodSync(folder, 0o755);
const log = (line: string) => console.log(`${new Date().toISOString()} ${line}`);
const run = new ChaosRun(options, folder, log);
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void end(130));

log(`chaos for ${options.minutes} min, seed ${options.seed}, queue in ${options.backend}; logs in ${folder}`);
try {
  const { outcome, findings } = await run.run();
  report(outcome, findings);
  await end(findings.isEmpty ? 0 : 1);
} catch (error) {
  console.error(error);
  await end(1);
}

/** The logs and the database's files are kept if there was a finding. */
async function end(code: number): Promise<void> {
  await run.stop();
  if (code === 0) rmSync(folder, { recursive: true, force: true });
  else log(`the logs of the processes and the data are in ${folder}`);
  process.exit(code);
}

function readOptions(): RunOptions {
  const [minutes, seed] = [Number(values.minutes), Number(values.seed)];
  if (!(minutes > 0) || !Number.isInteger(seed)) throw new Error('--minutes and --seed are numbers');
  const { backend } = values;
  if (backend !== 'postgresql' && backend !== 'redis') throw new Error('--backend is postgresql or redis');
  return { minutes, seed, backend };
}
