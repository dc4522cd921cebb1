import { defineResource } from '../definitions/define-resource.js';
import type { Definition } from '../definitions/definition.js';
import { followTransactions } from './follow-transactions.js';

/** How a leg is found: the account's IBAN and the time, with all that a balance needs beside them. */
function leg(iban: string, counterparty: string): string {
  return `(source_id, "${iban}", "timestamp") include ("${counterparty}", amount, currency, "$verdict") where deleted_at is null`;
}

/**
 * Bank transactions of one kind. A bank has no id by which each is known: the values of a record together are its key, so that
 * payments of a batch, which share an id, are rows of their own, and what is delivered twice is one row with `copies`.
 */
function transactions(name: 'sepa' | 'swift'): Definition {
  return defineResource(
    {
      name,
      key: ['transactionId', 'payerIban', 'beneficiaryIban', 'timestamp', 'amount', 'currency'],
      fields: {
        transactionId: 'text(100)',
        payerIban: 'text(100)',
        beneficiaryIban: 'text(100)',
        amount: 'decimal(19,4)',
        currency: 'text(10)?',
        timestamp: 'instant',
      },
      duplicates: 'count',
      window: 'timestamp',
    },
    {
      example: {
        transactionId: '0160bc5c-86c3-7186-8d30-7dae629535f1',
        payerIban: 'FR7630006000011234567890189',
        beneficiaryIban: 'DE89370400440532013000',
        amount: '2141.52',
        currency: 'EUR',
        timestamp: '2018-01-03T14:11:08.611390Z',
      },
      derived: { $verdict: 'smallint' },
      indexes: [leg('payerIban', 'beneficiaryIban'), leg('beneficiaryIban', 'payerIban')],
      follow: (applied) => followTransactions(name, applied),
      // Who owns an account decides what is summed up.
      reads: ['companies'],
    },
  );
}

/** Transfers in euros between accounts whose IBANs are known. */
export const sepa = transactions('sepa');

/** Transfers in any currency, also of parties that nobody knows. */
export const swift = transactions('swift');
