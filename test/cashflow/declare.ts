import { resources } from '../../src/resources.js';
import type { Installation } from '../declared/installation.js';
import type { Row } from './made-data.js';

/** Whether the resources of the cashflow come along. Without them they are declared here, with keys that lack the amount. */
export const IS_BUNDLED = resources.some(({ definition }) => definition.name === 'sepa');

const TRANSACTIONS = {
  key: ['transactionId', 'payerIban', 'beneficiaryIban', 'timestamp'],
  duplicates: 'count',
  fields: {
    transactionId: 'text(100)',
    payerIban: 'text(100)',
    beneficiaryIban: 'text(100)',
    amount: 'decimal(19,4)',
    currency: 'text(10)?',
    timestamp: 'instant',
  },
  window: 'timestamp',
};

const COMPANIES = {
  externalId: 'text(100)',
  name: 'text',
  owner: 'text?',
  address: 'text(1000)?',
  ibans: 'text[]',
  statedBalance: 'decimal(19,4)?',
};

const RATES = { currency: 'text(10)', eurRate: 'decimal(38,24)?', usdRate: 'decimal(38,24)?' };

/** An installation that has the resources of the cashflow. */
export function declareCashflow(here: Installation): void {
  if (IS_BUNDLED) return;
  here.declare(
    { name: 'companies', fields: COMPANIES },
    { name: 'exchange-rates', key: 'currency', fields: RATES },
    { name: 'sepa', ...TRANSACTIONS },
    { name: 'swift', ...TRANSACTIONS },
  );
}

/** The rows that are mirrored: all, but where payments of a batch share a key, the last one. */
export function mirrored(rows: Row[]): Row[] {
  if (IS_BUNDLED) return rows;
  const keyOf = ({ id, payer, beneficiary, timestamp }: Row) => [id, payer, beneficiary, timestamp].join();
  const last = new Map(rows.map((row) => [keyOf(row), row]));
  return rows.filter((row) => {
    const kept = last.get(keyOf(row));
    return kept?.amount === row.amount && kept.currency === row.currency;
  });
}
