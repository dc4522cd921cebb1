import { Inject, Injectable } from '@nestjs/common';
import type { Request } from 'express';
import { CONFIG, type Config } from '../platform/config.js';
import { withinSource } from '../platform/walls.js';
import { Sources } from '../sync/sources.js';
import { readClaim } from './claim-body.js';
import { ClaimCheck } from './claim-check.js';
import { ClaimQueries } from './claim-queries.js';
import { type ClaimRule, rulesOf } from './claim-rules.js';
import { ClaimStore } from './claim-store.js';
import type { StoredClaim } from './claim-view.js';

/** Takes claims in: reads, checks and stores one, or refuses it as a whole. */
@Injectable()
export class ClaimIntake {
  private readonly rules: readonly ClaimRule[];

  constructor(
    private readonly store: ClaimStore,
    private readonly queries: ClaimQueries,
    private readonly sources: Sources,
    @Inject(CONFIG) private readonly config: Config,
  ) {
    this.rules = rulesOf(config.CLAIM_RULES);
  }

  /** @throws Refusal 400, 408, 409, 413, 415 or 422; then nothing is stored */
  async accept(request: Request, source: string): Promise<StoredClaim> {
    const { MAX_CLAIM_BYTES, MAX_CLAIM_LINES } = this.config;
    const sent = await readClaim(request, MAX_CLAIM_BYTES);
    const claim = ClaimCheck.check(sent, this.rules, MAX_CLAIM_LINES);
    const sourceId = await this.sources.ensure(source);
    return withinSource(sourceId, async () => {
      const id = await this.store.add(sourceId, claim);
      return this.queries.getStored(sourceId, id);
    });
  }
}
