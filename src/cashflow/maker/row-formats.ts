import type { Company } from './companies.js';
import { amountText, CURRENCIES, type Rate, rateText } from './currencies.js';
import { instantText } from './days.js';
import { NO_CURRENCY, type Transaction, UNKNOWN_CURRENCY_CODE } from './transaction.js';

/** The data sets whose format can be chosen; the others are CSV. */
export type Format = 'ndjson' | 'csv';

/** Columns, in the order of the rows. NDJSON has the same names. */
export const COLUMNS = {
  companies: ['id', 'name', 'owner', 'address', 'balance', 'ibans'],
  rates: ['currency', 'usd_rate', 'eur_rate'],
  sepa: ['id', 'payer_iban', 'beneficiary_iban', 'amount', 'currency', 'timestamp'],
  swift: ['id', 'payer_iban', 'beneficiary_iban', 'amount', 'currency', 'timestamp'],
  dirty: ['resource', 'id', 'payerIban', 'beneficiaryIban', 'amount', 'currency', 'timestamp', 'kinds'],
  recurring: ['companyId', 'counterparty', 'direction', 'period', 'amount', 'currency', 'first', 'last'],
  truth: ['companyId', 'quarter', 'balanceEur', 'balanceUsd'],
} as const;

export type DataSetName = keyof typeof COLUMNS;

/** The texts of a transaction's values. */
export interface TransactionTexts {
  id: string;
  payer: string;
  beneficiary: string;
  amount: string;
  /** Empty: none. */
  currency: string;
  timestamp: string;
}

export function textsOf(transaction: Transaction, day: number, ibans: readonly string[]): TransactionTexts {
  const { currency } = transaction;
  const { decimals } = CURRENCIES[Math.max(currency, 0)] as (typeof CURRENCIES)[number];
  return {
    id: transaction.id,
    payer: ibans[transaction.payer] as string,
    beneficiary: ibans[transaction.beneficiary] as string,
    amount: amountText(transaction.amount, decimals),
    currency: currencyText(currency),
    timestamp: instantText(day, transaction.timeUs),
  };
}

function currencyText(currency: number): string {
  if (currency >= 0) return (CURRENCIES[currency] as (typeof CURRENCIES)[number]).code;
  return currency === NO_CURRENCY ? '' : UNKNOWN_CURRENCY_CODE;
}

/** A line. None of the values has characters that would have to be escaped, in neither format. */
export function transactionLine(format: Format, texts: TransactionTexts): string {
  const { id, payer, beneficiary, amount, currency, timestamp } = texts;
  if (format === 'csv') return `${id},${payer},${beneficiary},${amount},${currency},${timestamp}\n`;
  const code = currency === '' ? 'null' : `"${currency}"`;
  return (
    `{"id":"${id}","payer_iban":"${payer}","beneficiary_iban":"${beneficiary}","amount":${amount},` +
    `"currency":${code},"timestamp":"${timestamp}"}\n`
  );
}

export function companyLine(format: Format, { id, name, owner, address, balance, ibans }: Company): string {
  const text = String(id);
  if (format === 'ndjson') return `${JSON.stringify({ id: text, name, owner, address, balance, ibans })}\n`;
  return csvLine([text, name, owner, address, String(balance), JSON.stringify(ibans)]);
}

export function rateLine(format: Format, { currency, usd, eur }: Rate): string {
  const [usdRate, eurRate] = [rateText(usd), rateText(eur)];
  if (format === 'csv') return csvLine([currency, usdRate, eurRate]);
  return `{"currency":"${currency}","usd_rate":${usdRate},"eur_rate":${eurRate}}\n`;
}

/** A line of CSV (RFC 4180), with cells in quotes where they need them. */
export function csvLine(cells: readonly string[]): string {
  return `${cells.map((cell) => (/[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell)).join(',')}\n`;
}
