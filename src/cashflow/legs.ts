import { EXCLUDING } from './verdicts.js';

/** The kinds of transactions: resources of this name. */
export const TRANSACTIONS = ['sepa', 'swift'] as const;
export type TransactionKind = (typeof TRANSACTIONS)[number];

/** The live and deleted companies of the current source. */
export const COMPANIES = 'mirrored_companies_of_source';

/** Its live and deleted transactions, which are searched by ranges. */
export function transactionsView(kind: TransactionKind): string {
  return `mirrored_${kind}_of_source`;
}

/**
 * SQL: the legs of accounts, two for each transaction between them: `resource`, `row_id`, `iban`, `counterparty`, `transaction_id`, `at`,
 * `amount`, `currency` (empty for none), `verdict` (without what is no reason to leave a row out) and `is_credit`.
 * @param accounts a relation with the column `iban`, each once
 * @param condition of the transaction `t`
 */
export function legsOf(accounts: string, condition = 'true'): string {
  return TRANSACTIONS.flatMap((kind) => [
    sideOf(kind, 'beneficiaryIban', 'payerIban', accounts, condition),
    sideOf(kind, 'payerIban', 'beneficiaryIban', accounts, condition),
  ]).join(' union all ');
}

function sideOf(kind: TransactionKind, own: string, other: string, accounts: string, condition: string): string {
  return `
    select '${kind}' as resource, t.id as row_id, t."${own}" as iban, t."${other}" as counterparty, t."transactionId" as transaction_id,
           t."timestamp" as at, t.amount, coalesce(t.currency, '') as currency, (t."$verdict" & ${EXCLUDING})::smallint as verdict,
           ${own === 'beneficiaryIban'} as is_credit
      from ${accounts} own_account join ${transactionsView(kind)} t on t."${own}" = own_account.iban
     where t.deleted_at is null and ${condition}`;
}

/** SQL: the first day of the month of an instant, in UTC. */
export function monthOf(instant: string): string {
  return `date_trunc('month', ${instant} at time zone 'UTC')::date`;
}
