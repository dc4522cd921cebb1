import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { validate as isUuid } from 'uuid';
import type { PaymentStatus } from '../settlement/payment-notification.entity.js';
import { formatMoney } from '../values/money.js';
import { Cursors, listScope } from '../http/cursors.js';
import type { Page } from '../http/paging.js';
import { Refusal } from '../http/refusal.js';
import { claimPageStatement } from './claim-page.js';
import type { ClaimSummary, ClaimView, LineView, StoredClaim } from './claim-view.js';
import type { ListClaims } from './claim.dto.js';

/** A claim as PostgreSQL returns it; times are milliseconds since 1970. */
interface ClaimRow {
  id: string;
  external_claim_id: string | null;
  net_fee: string;
  line_count: number;
  created: number;
  status: PaymentStatus;
  attempts: number;
  reason: string | null;
  updated: number;
}

const COLUMNS = `c.id, c.external_claim_id, c.net_fee, c.line_count, (extract(epoch from c.created) * 1000)::float8 as created,
  n.status, n.attempts, n.reason, (extract(epoch from n.updated) * 1000)::float8 as updated`;

/** The columns of a line, named as in `LineView`. */
const LINE_COLUMNS = `line, to_json(service_date) #>> '{}' as "serviceDate", submitted_procedure as "submittedProcedure", quadrant,
  plan_group_number as "planGroupNumber", subscriber_number as "subscriberNumber", provider_npi as "providerNpi",
  provider_fees as "providerFees", allowed_fees as "allowedFees", member_coinsurance as "memberCoinsurance",
  member_copay as "memberCopay", net_fee as "netFee"`;

/** Answers questions about the claims of a source. */
@Injectable()
export class ClaimQueries {
  constructor(
    private readonly em: EntityManager,
    private readonly cursors: Cursors,
  ) {}

  /** Reads a claim with all of its lines. @throws Refusal 404 */
  async get(sourceId: number, id: string): Promise<ClaimView> {
    if (!isUuid(id)) throw Refusal.notFound('claim');
    const em = this.em.fork();
    const [row] = await em.execute<ClaimRow[]>(
      `select ${COLUMNS}
         from claim c join payment_notification n on n.source_id = c.source_id and n.claim_id = c.id
        where c.source_id = ? and c.id = ?::uuid`,
      [sourceId, id],
    );
    if (!row) throw Refusal.notFound('claim');
    // Lines never change, so a second statement needs no common snapshot with the first.
    const lines = await em.execute<LineView[]>(
      `select ${LINE_COLUMNS} from claim_line where source_id = ? and claim_id = ?::uuid order by claim_line.line`,
      [sourceId, id],
    );
    return { ...toSummary(row), lines };
  }

  /** Reads a claim with the net fees of its lines, as `POST /claims` answers it. @throws Refusal 404 */
  async getStored(sourceId: number, id: string): Promise<StoredClaim> {
    const { lines, ...claim } = await this.get(sourceId, id);
    return { ...claim, lines: lines.map(({ line, providerNpi, netFee }) => ({ line, providerNpi, netFee })) };
  }

  /** Lists claims, newest first, without their lines. @throws Refusal 400 for a cursor of another list */
  async list(
    sourceId: number,
    { limit, cursor, provider_npi, payment_status }: ListClaims,
  ): Promise<Page<ClaimSummary>> {
    const scope = listScope('claims', sourceId, { provider_npi, payment_status });
    const after = this.cursors.read(cursor, scope, 1)?.[0];
    const { sql, values } = claimPageStatement(COLUMNS, {
      sourceId,
      providerNpi: provider_npi,
      paymentStatus: payment_status,
      after,
      rows: limit + 1,
    });
    const rows = await this.em.fork().execute<ClaimRow[]>(sql, values);
    const page = this.cursors.toPage(rows, limit, scope, (row) => [row.id]);
    return { ...page, items: page.items.map(toSummary) };
  }
}

function toSummary(row: ClaimRow): ClaimSummary {
  const { status, attempts, reason } = row;
  return {
    id: row.id,
    externalClaimId: row.external_claim_id,
    netFee: formatMoney(row.net_fee),
    lineCount: row.line_count,
    created: new Date(row.created),
    payment: { status, attempts, reason, updated: new Date(row.updated) },
  };
}
