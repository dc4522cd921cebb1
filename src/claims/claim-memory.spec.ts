import { expect, it } from '@jest/globals';
import type { Request } from 'express';
import { EventEmitter } from 'node:events';
import { ClaimMemory, type HeldMemory } from './claim-memory.js';

const MIB = 2 ** 20;

/** Calls that hold memory until they are told to end. */
class Calls {
  readonly running: string[] = [];
  readonly memory = new ClaimMemory({ bytes: 10 * MIB, bytesOfSource: 6 * MIB });
  private readonly held = new Map<string, HeldMemory>();
  private readonly ends = new Map<string, () => void>();

  start(name: string, bytes: number, source = name): { request: Request; outcome: Promise<unknown> } {
    const socket = Object.assign(new EventEmitter(), { bytesRead: 0 });
    const request = { socket } as unknown as Request;
    const outcome = this.memory
      .hold({ request, source, bytes }, (held) => {
        this.running.push(name);
        this.held.set(name, held);
        return new Promise<void>((end) => this.ends.set(name, end));
      })
      .catch((error: unknown) => error);
    return { request, outcome };
  }

  async end(name: string): Promise<void> {
    this.ends.get(name)?.();
    await settled();
  }

  change(name: string, bytes: number): Promise<void> {
    const held = this.held.get(name);
    if (!held) throw new Error(`${name} does not hold any memory`);
    return this.memory.change({ socket: new EventEmitter() } as unknown as Request, held, bytes);
  }
}

const settled = () => new Promise(setImmediate);

it('lets as many hold memory as there is, and the others once it is free', async () => {
  const calls = new Calls();
  calls.start('a', 5 * MIB);
  calls.start('b', 5 * MIB);
  calls.start('c', 5 * MIB);
  calls.start('d', MIB);
  await settled();
  expect(calls.running).toEqual(['a', 'b']);

  await calls.end('b');
  expect(calls.running).toEqual(['a', 'b', 'c']);
  await calls.end('a');
  expect(calls.running).toEqual(['a', 'b', 'c', 'd']);
});

it('lets a source hold only its part, and others pass those that wait for it', async () => {
  const calls = new Calls();
  calls.start('a', 4 * MIB, 'one');
  calls.start('b', 4 * MIB, 'one');
  calls.start('c', 4 * MIB, 'two');
  await settled();
  expect(calls.running).toEqual(['a', 'c']);

  await calls.end('a');
  expect(calls.running).toEqual(['a', 'c', 'b']);
});

it('has some memory that only small claims may use', async () => {
  const calls = new Calls();
  calls.start('a', 6 * MIB, 'one');
  calls.start('b', 4 * MIB, 'two');
  calls.start('c', 100_000, 'two');
  calls.start('d', 60_000, 'one');
  await settled();

  expect(calls.running).toEqual(['a', 'b', 'd']);
});

it('never has two wait for each other that need more than they have', async () => {
  const calls = new Calls();
  calls.start('a', 5 * MIB);
  calls.start('b', 5 * MIB);
  await settled();

  const changes = [calls.change('a', 6 * MIB), calls.change('b', 6 * MIB)];
  await Promise.race(changes);
  await calls.end('a');
  await calls.end('b');

  expect(await Promise.all(changes)).toEqual([undefined, undefined]);
});

it('forgets a request that disconnects while it waits', async () => {
  const calls = new Calls();
  calls.start('a', 6 * MIB, 'one');
  const waiting = calls.start('b', 6 * MIB, 'one');
  await settled();
  waiting.request.socket.emit('close');

  expect(await waiting.outcome).toMatchObject({ status: 429 });
  await calls.end('a');
  calls.start('c', 6 * MIB, 'one');
  await settled();
  expect(calls.running).toEqual(['a', 'c']);
});
