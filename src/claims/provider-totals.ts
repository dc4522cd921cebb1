import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { formatMoney } from '../platform/money.js';
import type { ProviderTotal } from './claim.dto.js';

/** Ranks the providers of a source by what their claims come to. */
@Injectable()
export class ProviderTotals {
  constructor(private readonly em: EntityManager) {}

  /** The `limit` with the largest sums, largest first, ties by NPI: as many rows are read, however many there are. */
  async top(sourceId: number, limit: number): Promise<ProviderTotal[]> {
    const rows = await this.em
      .fork()
      .execute<{ provider_npi: string; net_fee: string; claims: string }[]>(
        `select provider_npi, net_fee, claims from provider_total where source_id = ?
          order by net_fee desc, provider_npi limit ${limit}`,
        [sourceId],
      );
    return rows.map((row) => ({
      providerNpi: row.provider_npi,
      netFee: formatMoney(row.net_fee),
      claims: Number(row.claims),
    }));
  }
}
