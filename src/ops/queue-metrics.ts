import { getQueueToken } from '@nestjs/bullmq';
import { Inject, Injectable } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import type { Queue } from 'bullmq';
import { Gauge, Registry } from 'prom-client';
import { QUEUE_TIMEOUT_MS, within } from '../queue/queue-call.js';

/** The injection token of the names of the queues. */
export const QUEUE_NAMES = Symbol('QUEUE_NAMES');

/** The states of a queue job that are work to come or under way, and `failed`, which a queue of ours hardly has. */
const STATES = ['waiting', 'prioritized', 'delayed', 'active', 'failed'] as const;

type Counts = Record<string, number>;

/** How many entries each queue holds. The table of jobs is the truth; this shows whether the queue keeps up with it. */
@Injectable()
export class QueueMetrics {
  /** Questions that a queue has not answered yet: while it is away, each is asked only once. */
  private readonly asked = new Map<string, Promise<Counts>>();
  private readonly depth = new Gauge({
    name: 'counterpart_queue_depth',
    help: 'Entries of a queue by state',
    labelNames: ['queue', 'state'] as const,
    registers: [this.registry],
  });
  private readonly up = new Gauge({
    name: 'counterpart_queue_up',
    help: 'Whether all queues answered this process: 1 or 0',
    registers: [this.registry],
  });

  constructor(
    private readonly modules: ModuleRef,
    private readonly registry: Registry,
    @Inject(QUEUE_NAMES) private readonly names: string[],
  ) {}

  /** Reads the numbers as they are now, of the queues that answer in time. */
  async collect(): Promise<void> {
    const answers = await Promise.all(
      this.names.map(async (queue) => ({
        queue,
        counts: await within(QUEUE_TIMEOUT_MS, this.ask(queue)).catch(() => null),
      })),
    );
    this.depth.reset();
    this.up.set(answers.every(({ counts }) => counts !== null) ? 1 : 0);
    for (const { queue, counts } of answers) {
      for (const state of counts === null ? [] : STATES) this.depth.set({ queue, state }, counts?.[state] ?? 0);
    }
  }

  private ask(name: string): Promise<Counts> {
    const earlier = this.asked.get(name);
    if (earlier) return earlier;
    const question = this.modules
      .get<Queue>(getQueueToken(name), { strict: false })
      .getJobCounts(...STATES)
      .finally(() => this.asked.delete(name));
    this.asked.set(name, question);
    return question;
  }
}
