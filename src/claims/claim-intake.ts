import { Inject, Injectable } from '@nestjs/common';
import type { Request } from 'express';
import { CONFIG, type Config } from '../platform/config.js';
import { idempotencyKeyOf } from '../platform/idempotency-key.js';
import { withinSource } from '../platform/source-isolation.js';
import { Sources } from '../sync/sources.js';
import { receiveClaim } from './claim-body.js';
import type { CheckedClaim } from './checked-claim.js';
import { ClaimCheck } from './claim-check.js';
import { ClaimQueries } from './claim-queries.js';
import { type ClaimRule, rulesOf } from './claim-rules.js';
import { ClaimStore } from './claim-store.js';
import type { StoredClaim } from './claim-view.js';
import { WorkingMemory } from './working-memory.js';

/** Claims of the largest size that are processed at once: each briefly takes about 100 MiB of memory. */
const LARGEST_AT_ONCE = 1;

/** Accepts claims: receives, checks and stores one, or refuses it as a whole. */
@Injectable()
export class ClaimIntake {
  private readonly rules: readonly ClaimRule[];
  private readonly memory: WorkingMemory;

  constructor(
    private readonly claims: ClaimStore,
    private readonly queries: ClaimQueries,
    private readonly sources: Sources,
    @Inject(CONFIG) private readonly config: Config,
  ) {
    this.rules = rulesOf(config.CLAIM_RULES);
    this.memory = new WorkingMemory(LARGEST_AT_ONCE * config.MAX_CLAIM_BYTES);
  }

  /** @throws Refusal 400, 408, 409, 413, 415 or 422; then nothing is stored */
  async accept(request: Request, source: string): Promise<StoredClaim> {
    const { MAX_CLAIM_BYTES, MAX_CLAIM_LINES } = this.config;
    const key = idempotencyKeyOf(request);
    const body = await receiveClaim(request, MAX_CLAIM_BYTES);
    return this.memory.within(body.maxBytes, async () => {
      const claim = ClaimCheck.check(await body.read(MAX_CLAIM_LINES), this.rules);
      const sourceId = await this.sources.ensure(source);
      return withinSource(sourceId, () => this.store(sourceId, claim, key));
    });
  }

  private async store(sourceId: number, claim: CheckedClaim, key: string | null): Promise<StoredClaim> {
    const { id, created } = await this.claims.add(sourceId, claim, key);
    // The payment of an existing claim may have moved on since, so it is read; a new claim's state is known.
    return created === null ? this.queries.getStored(sourceId, id) : newlyStored(claim, id, created);
  }
}

function newlyStored({ externalClaimId, netFee, lines }: CheckedClaim, id: string, created: Date): StoredClaim {
  const payment = { status: 'pending' as const, attempts: 0, reason: null, updated: created };
  const fees = lines.map(({ providerNpi, netFee: fee }, line) => ({ line, providerNpi, netFee: fee }));
  return { id, externalClaimId, netFee, lineCount: lines.length, created, payment, lines: fees };
}
