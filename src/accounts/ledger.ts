import { EntityManager } from '@mikro-orm/postgresql';
import { type BeforeApplicationShutdown, Inject, Injectable } from '@nestjs/common';
import { Counter, Histogram, Registry } from 'prom-client';
import { CONFIG, type Config, poolSize } from '../settings/config.js';
import { Refusal } from '../http/refusal.js';
import { withinSource } from '../database/source-isolation.js';
import { Semaphore } from './semaphore.js';
import { postBatch } from './post-batch.js';
import type { Decision, Posting } from './posting.js';
import { type Post, PostingQueues } from './posting-queues.js';

/** Postings that may wait in a process: about what it posts in a second. Beyond it callers are told to retry. */
const MAX_WAITING = 2_000;

/** Connections of a process that may wait for locked accounts, and the share of the pool that they may take. */
const MAX_LOCK_WAITERS = 4;
const LOCK_WAITERS_SHARE = 1 / 4;

/**
 * Takes postings and returns the decision on each once it is durable. The database enforces all rules, under the locks
 * of the accounts (`ledger_post`), so any number of processes may post to the same accounts.
 */
@Injectable()
export class Ledger implements BeforeApplicationShutdown {
  private readonly queues = new Map<number, PostingQueues>();
  private readonly lockWaiters: Semaphore;
  private readonly outcomes: Counter<'outcome'>;
  private readonly batches: Histogram;
  private waiting = 0;

  constructor(
    private readonly em: EntityManager,
    registry: Registry,
    @Inject(CONFIG) config: Config,
  ) {
    this.lockWaiters = new Semaphore(Math.min(MAX_LOCK_WAITERS, Math.floor(poolSize(config) * LOCK_WAITERS_SHARE)));
    this.outcomes = new Counter({
      name: 'counterpart_ledger_postings_total',
      help: 'Postings by outcome; failed: answered with 503 or 500',
      labelNames: ['outcome'] as const,
      registers: [registry],
    });
    this.batches = new Histogram({
      name: 'counterpart_ledger_batch_postings',
      help: 'Postings in one transaction',
      buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256],
      registers: [registry],
    });
  }

  /** Returns once the decision is committed. @throws Refusal 503 */
  async post(sourceId: number, posting: Posting): Promise<Decision> {
    if (this.waiting >= MAX_WAITING) throw tooMany();
    this.waiting += 1;
    try {
      const decision = await this.queuesOf(sourceId).decide(posting);
      this.outcomes.inc({ outcome: decision.outcome });
      return decision;
    } catch (error) {
      this.outcomes.inc({ outcome: 'failed' });
      throw error;
    } finally {
      this.waiting -= 1;
    }
  }

  /** Postings that were accepted are decided before the shutdown. */
  async beforeApplicationShutdown(): Promise<void> {
    await Promise.all([...this.queues.values()].map((queues) => queues.idle()));
  }

  /** The queues of a source are kept as long as the process lives: they take some hundred bytes. */
  private queuesOf(sourceId: number): PostingQueues {
    const known = this.queues.get(sourceId);
    if (known) return known;
    const post: Post = (postings, waits, isRepeated) => {
      this.batches.observe(postings.length);
      return withinSource(sourceId, () => postBatch(this.em, { sourceId, postings, waits, isRepeated }));
    };
    const queues = new PostingQueues(post, this.lockWaiters);
    this.queues.set(sourceId, queues);
    return queues;
  }
}

function tooMany(): Refusal {
  const detail = 'The ledger is too busy at the moment. Nothing was posted; try again.';
  return new Refusal(503, 'ledger_busy', detail, { headers: { 'Retry-After': '1' } });
}
