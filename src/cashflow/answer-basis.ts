import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import type { AnswerBasis } from './cashflow-view.dto.js';
import { type RateMeaning, type Rates, readRates, type SentRate, type Target } from './rates.js';

/** What answers are computed by, and how far they can be trusted. */
export interface Basis {
  rates: Rates;
  ratesAsOf: string | null;
  complete: boolean;
}

/** Reads the rates of a source, and what its last pull says: what the rates mean, and whether it had all windows. */
@Injectable()
export class AnswerBases {
  constructor(private readonly em: EntityManager) {}

  /** The rates as the source has sent them. */
  async sentRates(sourceId: number): Promise<SentRate[]> {
    const [row] = await this.em.fork().execute<{ rates: SentRate[] }[]>(`select ${SENT_RATES} as rates`, [sourceId]);
    return row?.rates ?? [];
  }

  /** @param em of a transaction that should see no other state, or none */
  async of(sourceId: number, em = this.em.fork()): Promise<Basis> {
    return readBasis(em, sourceId);
  }
}

/** The same for code that has the entity manager of a transaction. */
export async function readBasis(em: EntityManager, sourceId: number): Promise<Basis> {
  const [row] = await em.execute<
    { rates: SentRate[]; as_of: Date | null; meaning: RateMeaning | 'auto'; complete: boolean }[]
  >(
    `select ${SENT_RATES} as rates,
                (select applied_at from mirror_state where source_id = ? and resource = 'exchange-rates') as as_of,
                coalesce(pull.rates, 'auto') as meaning, coalesce(pull.gaps = '[]', true) as complete
           from (select) one
           left join (
             select rates, gaps from cashflow_pull where source_id = ? and status = 'completed' order by id desc limit 1
           ) pull on true`,
    [sourceId, sourceId, sourceId],
  );
  if (!row) throw new Error('a statement without conditions has a row');
  return {
    rates: readRates(row.rates, row.meaning),
    ratesAsOf: row.as_of === null ? null : new Date(row.as_of).toISOString(),
    complete: row.complete,
  };
}

/** SQL: the rates of a source as a JSON array of {@link SentRate}. */
const SENT_RATES = `(
  select coalesce(json_agg(json_build_object(
           'currency', currency, 'eurRate', "eurRate"::text, 'usdRate', "usdRate"::text) order by currency), '[]')
    from "mirrored_exchange-rates" where source_id = ? and deleted_at is null)`;

/** What every answer says of its figures. */
export function describeBasis({ rates, ratesAsOf, complete }: Basis, currency: Target): AnswerBasis {
  return {
    currency,
    ratesAsOf,
    rateBasis: 'current',
    complete,
    ...(rates.isSuspect ? { ratesSuspect: true as const } : {}),
  };
}
