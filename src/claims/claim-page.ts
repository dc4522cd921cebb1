import type { PaymentStatus } from '../settlement/payment-notification.entity.js';

/** Selects a page of claims. */
export interface ClaimPage {
  sourceId: number;
  providerNpi: string | undefined;
  paymentStatus: PaymentStatus | undefined;
  /** The last id of the previous page, or undefined for the first page. */
  after: string | undefined;
  rows: number;
}

/**
 * Builds the statement that reads a page of claims, newest first. It finds the ids of the page along an index in that
 * order, reading only as many entries as the page has rows, however deep the page is, and then joins the claims.
 * @param columns of the claim `c` and of its notification `n`
 */
export function claimPageStatement(columns: string, page: ClaimPage): { sql: string; values: unknown[] } {
  const ids = idsOf(page);
  const sql = `
    select ${columns}
      from (${ids.sql} limit ${page.rows}) page
      join claim c on c.source_id = ? and c.id = page.id
      join payment_notification n on n.source_id = c.source_id and n.claim_id = c.id
     order by c.id desc`;
  return { sql, values: [...ids.values, page.sourceId] };
}

function idsOf({ sourceId, providerNpi, paymentStatus, after }: ClaimPage): { sql: string; values: unknown[] } {
  const afterCursor = (column: string) => (after === undefined ? '' : `and ${column} < ?::uuid`);
  const cursor = after === undefined ? [] : [after];
  if (providerNpi !== undefined && paymentStatus !== undefined) {
    // The cursor applies to both tables: PostgreSQL does not infer one condition from the other, and would read from the
    // newest entry on.
    return {
      sql: `select p.claim_id as id from claim_provider p
              join payment_notification s on s.source_id = p.source_id and s.claim_id = p.claim_id
             where p.source_id = ? and p.provider_npi = ? and s.status = ?
                   ${afterCursor('p.claim_id')} ${afterCursor('s.claim_id')}
             order by p.claim_id desc`,
      values: [sourceId, providerNpi, paymentStatus, ...cursor, ...cursor],
    };
  }
  const [table, column, condition, value] =
    providerNpi !== undefined
      ? ['claim_provider', 'claim_id', 'and provider_npi = ?', [providerNpi]]
      : paymentStatus !== undefined
        ? ['payment_notification', 'claim_id', 'and status = ?', [paymentStatus]]
        : ['claim', 'id', '', []];
  return {
    sql: `select ${column} as id from ${table} where source_id = ? ${condition} ${afterCursor(column)} order by ${column} desc`,
    values: [sourceId, ...value, ...cursor],
  };
}
