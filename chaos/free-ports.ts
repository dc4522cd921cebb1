import { createServer } from 'node:net';
import type { SeededRandom } from './seeded-random.js';

/** Below the ephemeral ports, which outgoing connections take: a process that is started again must find its port free. */
const FIRST = 20_000;
const LAST = 31_999;

/** Ports on 127.0.0.1 on which no process listens. */
export async function freePorts(count: number, random: SeededRandom): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) {
    const port = random.between(FIRST, LAST);
    if (await isFree(port)) ports.add(port);
  }
  return [...ports];
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
}
