import { createServer } from 'node:net';
import type { Dice } from './dice.js';

/** Below the range from which systems take the ports of outgoing connections: a process that is away must find its port free. */
const FIRST = 20_000;
const LAST = 31_999;

/** Ports on 127.0.0.1 that nobody listens on. */
export async function freePorts(count: number, dice: Dice): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) {
    const port = dice.between(FIRST, LAST);
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
