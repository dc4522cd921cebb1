import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { formatMoney } from '../values/money.js';
import type { ProviderTotal } from './claim.dto.js';

/** Reads only `limit` rows, along the index in that order. */
export const TOP_PROVIDERS = `
  select provider_npi, net_fee, claims from provider_total where source_id = ?
   order by net_fee desc, provider_npi limit ?`;

interface TotalRow {
  provider_npi: string;
  net_fee: string;
  claims: string;
}

/** Ranks the providers of a source by the total of their claims. */
@Injectable()
export class ProviderTotals {
  constructor(private readonly em: EntityManager) {}

  /** @returns the `limit` providers with the largest totals, largest first, ties by NPI */
  async top(sourceId: number, limit: number): Promise<ProviderTotal[]> {
    const rows = await this.em.fork().execute<TotalRow[]>(TOP_PROVIDERS, [sourceId, limit]);
    return rows.map((row) => ({
      providerNpi: row.provider_npi,
      netFee: formatMoney(row.net_fee),
      claims: Number(row.claims),
    }));
  }
}
