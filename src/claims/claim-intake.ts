import { Inject, Injectable } from '@nestjs/common';
import type { Request } from 'express';
import { CONFIG, type Config } from '../settings/config.js';
import { idempotencyKeyOf } from '../http/idempotency-key.js';
import { withinSource } from '../database/source-isolation.js';
import { Sources } from '../sync/sources/sources.js';
import { type ClaimFormat, claimFormat } from './claim-body.js';
import type { CheckedClaim } from './checked-claim.js';
import { ClaimCheck } from './claim-check.js';
import { ClaimMemory, type HeldMemory } from './claim-memory.js';
import { ClaimQueries } from './claim-queries.js';
import { type ClaimRule, rulesOf } from './claim-rules.js';
import { ClaimStore } from './claim-store.js';
import type { StoredClaim } from './claim-view.js';

/**
 * Claims of the largest size that are received or stored at once, of all sources and of one. A claim whose body is being
 * received takes its bytes, and one that is being stored some five times as many; those that are parsed, which takes
 * twenty times as many, take turns, as parsing is one synchronous step.
 */
const LARGEST_AT_ONCE = 4;
const LARGEST_OF_SOURCE = 2;

/** Bodies that are decompressed at once: any of them may grow to the largest size. One of each source. */
const INFLATED_AT_ONCE = 2;

/** Accepts claims: receives, checks and stores one, or refuses it as a whole. */
@Injectable()
export class ClaimIntake {
  private readonly rules: readonly ClaimRule[];
  private readonly memory: ClaimMemory;
  private readonly inflation: ClaimMemory;

  constructor(
    private readonly claims: ClaimStore,
    private readonly queries: ClaimQueries,
    private readonly sources: Sources,
    @Inject(CONFIG) private readonly config: Config,
  ) {
    const { CLAIM_RULES, MAX_CLAIM_BYTES: most } = config;
    this.rules = rulesOf(CLAIM_RULES);
    this.memory = new ClaimMemory({ bytes: LARGEST_AT_ONCE * most, bytesOfSource: LARGEST_OF_SOURCE * most });
    this.inflation = new ClaimMemory({ bytes: INFLATED_AT_ONCE * most, bytesOfSource: most });
  }

  /** @throws Refusal 400, 408, 409, 413, 415, 422, 429 or 503; then nothing is stored */
  async accept(request: Request, source: string): Promise<StoredClaim> {
    const key = idempotencyKeyOf(request);
    const format = claimFormat(request, this.config.MAX_CLAIM_BYTES);
    return this.memory.hold({ request, source, bytes: format.bytes }, async (held) => {
      const claim = await this.receive(request, format, held);
      const sourceId = await this.sources.ensure(source);
      return withinSource(sourceId, () => this.store(sourceId, claim, key));
    });
  }

  /** Receives and checks a claim. Its body is garbage once this returns. */
  private async receive(request: Request, format: ClaimFormat, held: HeldMemory): Promise<CheckedClaim> {
    const body = await this.memory.whileReceiving(request, held, format.receive);
    const check = (bytes: Buffer) => ClaimCheck.check(format.read(bytes, this.config.MAX_CLAIM_LINES), this.rules);
    if (!format.isCompressed) {
      await this.memory.change(request, held, body.length);
      return check(body);
    }
    // What it grows to is only known afterwards, so until then it takes one of a few places for the largest.
    const place = { request, source: held.source, bytes: this.config.MAX_CLAIM_BYTES };
    return this.inflation.hold(place, async () => {
      const bytes = await format.inflate(body);
      await this.memory.change(request, held, bytes.length);
      return check(bytes);
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
