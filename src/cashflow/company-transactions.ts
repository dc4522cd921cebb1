import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { Cursors, listScope } from '../http/cursors.js';
import type { Page } from '../http/paging.js';
import { type ListTransactions, rulesOf } from './cashflow-query.dto.js';
import { type CompanyTransaction } from './cashflow-view.dto.js';
import { askedRange } from './company-balances.js';
import { type TransactionKind, TRANSACTIONS, transactionsView } from './legs.js';
import { toTransaction, transactionColumns, type TransactionRow } from './transaction-rows.js';
import { countedVerdicts, EXCLUDING } from './verdicts.js';

interface CompanyTransactionRow extends TransactionRow {
  is_payer: boolean;
  is_beneficiary: boolean;
}

type Filter = Pick<ListTransactions, 'from' | 'to' | 'rows' | 'includeBatch' | 'ibanRule'>;

/** Rows that an export reads at a time. */
const EXPORTED_AT_ONCE = 1_000;

/** Lists the transactions of a company by time: one between two of its accounts once. */
@Injectable()
export class CompanyTransactions {
  constructor(
    private readonly em: EntityManager,
    private readonly cursors: Cursors,
  ) {}

  async page(sourceId: number, company: string, query: ListTransactions): Promise<Page<CompanyTransaction>> {
    const { from = '', to = '', rows: which, includeBatch, ibanRule, limit } = query;
    const scope = listScope('company transactions', sourceId, { company, from, to, which, includeBatch, ibanRule });
    const rows = await this.read(sourceId, company, query, this.cursors.read(query.cursor, scope, 3), limit + 1);
    const page = this.cursors.toPage(rows, limit, scope, keyOf);
    return { ...page, items: page.items.map(toView) };
  }

  async *all(sourceId: number, company: string, filter: Filter): AsyncGenerator<CompanyTransaction> {
    let rows = await this.read(sourceId, company, filter, null, EXPORTED_AT_ONCE);
    while (rows.length > 0) {
      yield* rows.map(toView);
      const last = rows.at(-1);
      // oxlint-disable-next-line no-await-in-loop -- over pages
      rows = last === undefined ? [] : await this.read(sourceId, company, filter, keyOf(last), EXPORTED_AT_ONCE);
    }
  }

  /** @throws Refusal 400 for bounds that are none */
  private read(
    sourceId: number,
    company: string,
    filter: Filter,
    end: string[] | null,
    limit: number,
  ): Promise<CompanyTransactionRow[]> {
    const { from, to } = askedRange(filter);
    const counted = filter.rows === 'counted' ? `{${countedVerdicts(rulesOf(filter)).join(',')}}` : null;
    const conditions = (kind: TransactionKind) => `
      (asked.first is null or t."timestamp" >= asked.first) and (asked.last is null or t."timestamp" < asked.last)
      and (asked.end_at is null or (t."timestamp", '${kind}', t.id) > (asked.end_at, asked.end_resource, asked.end_id))
      and (asked.counted is null or t."$verdict" & ${EXCLUDING} = any(asked.counted))`;
    const sides = TRANSACTIONS.flatMap((kind) =>
      ['payerIban', 'beneficiaryIban'].map((own) => {
        // One between two of its accounts is found from the payer's side.
        const once = own === 'payerIban' ? '' : 'and t."payerIban" not in (select iban from account)';
        return `
        select ${transactionColumns(kind)}, ${own === 'payerIban'} as is_payer,
               ${own === 'beneficiaryIban' ? 'true' : 't."beneficiaryIban" in (select iban from account)'} as is_beneficiary
          from asked cross join account join ${transactionsView(kind)} t on t."${own}" = account.iban
         where t.deleted_at is null and ${conditions(kind)} ${once}`;
      }),
    );
    return this.em.fork().execute<CompanyTransactionRow[]>(
      `with asked as (
         select ?::text as company, ?::timestamptz as first, ?::timestamptz as last, ?::smallint[] as counted,
                ?::timestamptz as end_at, ?::text as end_resource, ?::bigint as end_id
       ), account as materialized (
         select iban from cashflow_account where source_id = ? and company = (select company from asked)
       )
       select * from (${sides.join(' union all ')}) leg order by at_time, resource, row_id limit ?`,
      [company, from, to, counted, ...(end ?? [null, null, null]), sourceId, limit],
    );
  }
}

function keyOf(row: CompanyTransactionRow): string[] {
  return [row.at, row.resource, row.row_id];
}

function toView(row: CompanyTransactionRow): CompanyTransaction {
  const { is_payer: isPayer, is_beneficiary: isBeneficiary } = row;
  return {
    ...toTransaction(row),
    direction: isPayer ? (isBeneficiary ? 'internal' : 'out') : 'in',
    counterparty: isPayer ? row.beneficiary_iban : row.payer_iban,
  };
}
