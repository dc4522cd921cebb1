import type { PaymentStatus } from '../settlement/payment-notification.entity.js';

/** Which page of claims to read. */
export interface ClaimPage {
  sourceId: number;
  providerNpi: string | undefined;
  paymentStatus: PaymentStatus | undefined;
  /** The last id of the page before, or undefined. */
  after: string | undefined;
  rows: number;
}

/**
 * The statement that reads a page of claims, newest first: of the index that has them in that order only as many entries
 * as the page has, however deep it is; the claims themselves once it is known which.
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
  const beyond = (column: string) => (after === undefined ? '' : `and ${column} < ?::uuid`);
  const cursor = after === undefined ? [] : [after];
  if (providerNpi !== undefined && paymentStatus !== undefined) {
    // The cursor on both sides: PostgreSQL does not conclude from one to the other, and would begin at the newest.
    return {
      sql: `select p.claim_id as id from claim_provider p
              join payment_notification s on s.source_id = p.source_id and s.claim_id = p.claim_id
             where p.source_id = ? and p.provider_npi = ? and s.status = ?
                   ${beyond('p.claim_id')} ${beyond('s.claim_id')}
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
    sql: `select ${column} as id from ${table} where source_id = ? ${condition} ${beyond(column)} order by ${column} desc`,
    values: [sourceId, ...value, ...cursor],
  };
}
