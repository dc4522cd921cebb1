import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { createHash } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import { PaymentOutbox } from '../claim-payments/payment-outbox.js';
import { Refusal } from '../platform/refusal.js';
import type { CheckedClaim } from './checked-claim.js';

/** Keeps claims: each with its lines, its provider's totals and its message to the payments service, or not at all. */
@Injectable()
export class ClaimStore {
  constructor(
    private readonly em: EntityManager,
    private readonly outbox: PaymentOutbox,
  ) {}

  /**
   * Stores a claim; one with the same external id and content that is there already is taken for it.
   * @returns the id of the stored claim, and the time at which it was stored, null if it was there already
   * @throws Refusal 409 if the external id stands for another claim
   */
  async add(sourceId: number, claim: CheckedClaim): Promise<{ id: string; created: Date | null }> {
    const id = uuidv7();
    const lines = JSON.stringify(claim.lines);
    // A digest of what the lines say, however it was spelled.
    const content = createHash('sha256').update(lines).digest('hex');
    const created = await this.em.fork().transactional(async (em) => {
      const stored = await insertClaim(em, { id, sourceId, claim, lines, content });
      if (stored === null) return null;
      await this.outbox.add(em, { id, sourceId, netFee: claim.netFee });
      // The last thing before the commit, as others wait for the rows of the providers that they share with this claim.
      await em.execute(ADD_TO_TOTALS, [sourceId, id]);
      return stored;
    });
    if (created === null) return { id: await this.getSame(sourceId, claim, content), created };
    this.outbox.announce();
    return { id, created };
  }

  private async getSame(sourceId: number, { externalClaimId }: CheckedClaim, content: string): Promise<string> {
    const [stored] = await this.em
      .fork()
      .execute<{ id: string; content: string }[]>(
        `select id, encode(content, 'hex') as content from claim where source_id = ? and external_claim_id = ?`,
        [sourceId, externalClaimId],
      );
    if (!stored) throw new Error('a claim was in the way, and is gone');
    if (stored.content === content) return stored.id;
    const detail = 'There is a claim with this external_claim_id already, and its content is another.';
    throw new Refusal(409, 'claim_conflict', detail, {
      errors: [{ pointer: '/external_claim_id', code: 'claim_conflict', detail }],
    });
  }
}

interface NewClaim {
  id: string;
  sourceId: number;
  claim: CheckedClaim;
  /** As JSON. */
  lines: string;
  content: string;
}

/**
 * @returns the time, or null if there is a claim with that external id. One that somebody else is storing is waited for.
 */
async function insertClaim(em: EntityManager, { id, sourceId, claim, lines, content }: NewClaim): Promise<Date | null> {
  const [inserted] = await em.execute<{ created: number }[]>(INSERT, [
    sourceId,
    id,
    claim.externalClaimId,
    content,
    claim.netFee,
    claim.lines.length,
    lines,
  ]);
  return inserted ? new Date(inserted.created) : null;
}

/** One statement, so one round trip, for the claim and all of its lines. */
const INSERT = `
  with stored as (
    insert into claim (source_id, id, external_claim_id, content, net_fee, line_count)
    values (?, ?, ?, decode(?, 'hex'), ?, ?)
    on conflict (source_id, external_claim_id) where external_claim_id is not null do nothing
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

/** In the order of the NPIs, so that no two claims wait for each other. */
const ADD_TO_TOTALS = `
  insert into provider_total as total (source_id, provider_npi, net_fee, claims)
  select source_id, provider_npi, sum(net_fee), 1 from claim_line where source_id = ? and claim_id = ?
   group by source_id, provider_npi order by provider_npi
  on conflict (source_id, provider_npi) do update
    set net_fee = total.net_fee + excluded.net_fee, claims = total.claims + 1`;
