import { EntityManager } from '@mikro-orm/postgresql';
import { type BeforeApplicationShutdown, Inject, Injectable } from '@nestjs/common';
import { Counter, Histogram, Registry } from 'prom-client';
import { CONFIG, type Config, poolSize } from '../platform/config.js';
import { Refusal } from '../platform/refusal.js';
import { withinSource } from '../platform/source-isolation.js';
import { Places } from './places.js';
import { postBatch } from './post-batch.js';
import type { Decision, Posting } from './posting.js';
import { type Post, PostingLanes } from './posting-lanes.js';

/** Postings that may wait in a process, about a second's worth. Beyond it callers are told to come back. */
const MAX_WAITING = 2_000;

/** Connections of a process that may wait for accounts which others have, and their share of the pool. */
const MAX_PATIENT = 4;
const PATIENT_SHARE = 1 / 4;

/**
 * Takes postings and tells what came of each once it is durable. All rules are kept by the database, under the locks of the
 * accounts (`ledger_post`): any number of processes may post to the same accounts.
 */
@Injectable()
export class Ledger implements BeforeApplicationShutdown {
  private readonly lanes = new Map<number, PostingLanes>();
  private readonly places: Places;
  private readonly outcomes: Counter<'outcome'>;
  private readonly batches: Histogram;
  private waiting = 0;

  constructor(
    private readonly em: EntityManager,
    registry: Registry,
    @Inject(CONFIG) config: Config,
  ) {
    this.places = new Places(Math.min(MAX_PATIENT, Math.floor(poolSize(config) * PATIENT_SHARE)));
    this.outcomes = new Counter({
      name: 'counterpart_ledger_postings_total',
      help: 'Postings by what came of them; failed: answered with 503, or 500',
      labelNames: ['outcome'] as const,
      registers: [registry],
    });
    this.batches = new Histogram({
      name: 'counterpart_ledger_batch_postings',
      help: 'Postings of one transaction',
      buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256],
      registers: [registry],
    });
  }

  /** Returns once the decision is committed. @throws Refusal 503 */
  async post(sourceId: number, posting: Posting): Promise<Decision> {
    if (this.waiting >= MAX_WAITING) throw tooMany();
    this.waiting += 1;
    try {
      const decision = await this.lanesOf(sourceId).decide(posting);
      this.outcomes.inc({ outcome: decision.outcome });
      return decision;
    } catch (error) {
      this.outcomes.inc({ outcome: 'failed' });
      throw error;
    } finally {
      this.waiting -= 1;
    }
  }

  /** What was taken is decided first. */
  async beforeApplicationShutdown(): Promise<void> {
    await Promise.all([...this.lanes.values()].map((lanes) => lanes.idle()));
  }

  /** A source has lanes for as long as the process lives: they are some hundred bytes. */
  private lanesOf(sourceId: number): PostingLanes {
    const known = this.lanes.get(sourceId);
    if (known) return known;
    const post: Post = (postings, waits, isRepeated) => {
      this.batches.observe(postings.length);
      return withinSource(sourceId, () => postBatch(this.em, { sourceId, postings, waits, isRepeated }));
    };
    const lanes = new PostingLanes(post, this.places);
    this.lanes.set(sourceId, lanes);
    return lanes;
  }
}

function tooMany(): Refusal {
  const detail = 'More is to be posted than can be at the moment. Nothing was posted; try again.';
  return new Refusal(503, 'ledger_busy', detail, { headers: { 'Retry-After': '1' } });
}
