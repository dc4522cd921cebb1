import { type ColumnType, columnType } from '../definitions/column-types.js';
import { formatDecimal } from '../values/money.js';
import type { TransactionView } from './cashflow-view.dto.js';
import { transactionsView, type TransactionKind } from './legs.js';
import { kindsOf } from './verdicts.js';

/** A transaction as PostgreSQL returns it. */
export interface TransactionRow {
  resource: TransactionKind;
  row_id: string;
  transaction_id: string;
  payer_iban: string;
  beneficiary_iban: string;
  amount: string;
  currency: string | null;
  /** As `to_jsonb` writes it. */
  at: string;
  verdict: number;
}

/** SQL: the columns of a {@link TransactionRow} of a kind's transactions `t`. */
export function transactionColumns(kind: TransactionKind): string {
  return `
    '${kind}' as resource, t.id as row_id, t."transactionId" as transaction_id, t."payerIban" as payer_iban,
    t."beneficiaryIban" as beneficiary_iban, t.amount::text as amount, t.currency, t."timestamp" as at_time,
    to_jsonb(t."timestamp")#>>'{}' as at, t."$verdict" as verdict`;
}

/** SQL: the live transactions `t` of a kind. */
export function liveTransactions(kind: TransactionKind): string {
  return `${transactionsView(kind)} t where t.deleted_at is null`;
}

const instant = columnType('instant') as ColumnType;

export function toTransaction(row: TransactionRow): TransactionView {
  return {
    resource: row.resource,
    id: row.transaction_id,
    payerIban: row.payer_iban,
    beneficiaryIban: row.beneficiary_iban,
    amount: formatDecimal(row.amount, 2),
    currency: row.currency,
    timestamp: showInstant(row.at),
    kinds: kindsOf(row.verdict),
  };
}

/** An instant as it leaves. @param at as `to_jsonb` writes it */
export function showInstant(at: string): string {
  return String(instant.show(at));
}
