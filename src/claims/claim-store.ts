import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { createHash } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import { PaymentOutbox } from '../settlement/payment-outbox.js';
import { Refusal } from '../http/refusal.js';
import type { CheckedClaim } from './checked-claim.js';

/** Stores claims. Each is stored in one transaction with its lines, its providers' totals and its payment notification. */
@Injectable()
export class ClaimStore {
  constructor(
    private readonly em: EntityManager,
    private readonly outbox: PaymentOutbox,
  ) {}

  /**
   * Stores a claim, unless one with the same content and the same external id or idempotency key exists already.
   * @returns the id of the new or existing claim, and the time at which it was stored, or null for an existing one
   * @throws Refusal 409 if another claim has the external id, 422 if the key was used for another claim
   */
  async add(sourceId: number, claim: CheckedClaim, key: string | null): Promise<{ id: string; created: Date | null }> {
    const lines = JSON.stringify(claim.lines);
    // A digest of the normalized lines, so that the spelling of names and amounts makes no difference.
    const content = createHash('sha256').update(lines).digest('hex');
    const sent = { id: uuidv7(), sourceId, claim, key, lines, content };
    const created = await this.em.fork().transactional(async (em) => {
      const stored = await insertClaim(em, sent);
      if (stored === null) return null;
      await this.outbox.add(em, { id: sent.id, sourceId, netFee: claim.netFee });
      // Last before the commit: from here on, claims that share a provider with this one wait for its row.
      await em.execute(ADD_TO_TOTALS, [sourceId, sent.id]);
      return stored;
    });
    if (created === null) return { id: await this.getSame(sent), created };
    this.outbox.announce();
    return { id: sent.id, created };
  }

  private async getSame({ sourceId, claim: { externalClaimId }, key, content }: NewClaim): Promise<string> {
    const [sameKey] = await this.find(sourceId, 'idempotency_key', key);
    if (sameKey?.content === content && sameKey.external_claim_id === externalClaimId) return sameKey.id;
    if (sameKey) throw keyReused();
    const [stored] = await this.find(sourceId, 'external_claim_id', externalClaimId);
    if (!stored) throw new Error('an insert met a conflicting claim, which no longer exists');
    if (stored.content === content) return stored.id;
    const detail = 'There is already a claim with this external_claim_id, with different content.';
    throw new Refusal(409, 'claim_conflict', detail, {
      errors: [{ pointer: '/external_claim_id', code: 'claim_conflict', detail }],
    });
  }

  private async find(
    sourceId: number,
    column: 'idempotency_key' | 'external_claim_id',
    value: string | null,
  ): Promise<StoredIdentity[]> {
    if (value === null) return [];
    return this.em
      .fork()
      .execute<StoredIdentity[]>(
        `select id, external_claim_id, encode(content, 'hex') as content from claim where source_id = ? and ${column} = ?`,
        [sourceId, value],
      );
  }
}

/** The identity of a stored claim. */
interface StoredIdentity {
  id: string;
  external_claim_id: string | null;
  content: string;
}

function keyReused(): Refusal {
  const detail = 'This Idempotency-Key was used for another claim: with other lines or another external_claim_id.';
  return new Refusal(422, 'idempotency_key_reused', detail);
}

interface NewClaim {
  id: string;
  sourceId: number;
  claim: CheckedClaim;
  /** Its `Idempotency-Key`. */
  key: string | null;
  /** The lines as JSON. */
  lines: string;
  /** The SHA-256 of `lines`, in hexadecimal. */
  content: string;
}

/**
 * Inserts a claim and its lines. Waits for a concurrent transaction that inserts the same external id or key.
 * @returns the time of the insert, or null if a claim with that external id or key exists
 */
async function insertClaim(
  em: EntityManager,
  { id, sourceId, claim, key, lines, content }: NewClaim,
): Promise<Date | null> {
  const [inserted] = await em.execute<{ created: number }[]>(INSERT, [
    sourceId,
    id,
    claim.externalClaimId,
    key,
    content,
    claim.netFee,
    claim.lines.length,
    lines,
  ]);
  return inserted ? new Date(inserted.created) : null;
}

/** Inserts the claim and all of its lines in one statement, and so in one round trip. */
const INSERT = `
  with stored as (
    insert into claim (source_id, id, external_claim_id, idempotency_key, content, net_fee, line_count)
    values (?, ?, ?, ?, decode(?, 'hex'), ?, ?)
    on conflict do nothing
    returning source_id, id, created
  ), line as materialized (
    select stored.source_id, stored.id, given.*
      from stored, rows from (json_to_recordset(?::json) as (
        "serviceDate" timestamp, "submittedProcedure" text, quadrant text, "planGroupNumber" text,
        "subscriberNumber" text, "providerNpi" text, "providerFees" numeric, "allowedFees" numeric,
        "memberCoinsurance" numeric, "memberCopay" numeric, "netFee" numeric)) with ordinality as given (
        "serviceDate", "submittedProcedure", quadrant, "planGroupNumber", "subscriberNumber", "providerNpi",
        "providerFees", "allowedFees", "memberCoinsurance", "memberCopay", "netFee", place)
  ), providers as (
    insert into claim_provider (source_id, provider_npi, claim_id) select distinct source_id, "providerNpi", id from line
  ), lines as (
    insert into claim_line (source_id, claim_id, line, service_date, submitted_procedure, quadrant, plan_group_number,
      subscriber_number, provider_npi, provider_fees, allowed_fees, member_coinsurance, member_copay, net_fee)
    select source_id, id, place - 1, "serviceDate", "submittedProcedure", quadrant, "planGroupNumber", "subscriberNumber",
           "providerNpi", "providerFees", "allowedFees", "memberCoinsurance", "memberCopay", "netFee"
      from line
  )
  select (extract(epoch from created) * 1000)::float8 as created from stored`;

/** Locks rows in the order of the NPIs, so that claims with several common providers cannot deadlock. */
const ADD_TO_TOTALS = `
  insert into provider_total as total (source_id, provider_npi, net_fee, claims)
  select source_id, provider_npi, sum(net_fee), 1 from claim_line where source_id = ? and claim_id = ?
   group by source_id, provider_npi order by provider_npi
  on conflict (source_id, provider_npi) do update
    set net_fee = total.net_fee + excluded.net_fee, claims = total.claims + 1`;
