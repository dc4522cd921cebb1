import { defineResource } from '../definitions/define-resource.js';
import { judgeBalances } from './liquidity/judge-balances.js';

/** Exchange rates as their source names them. What they mean is found out when they are read: see `rates.ts`. */
export const exchangeRates = defineResource(
  {
    name: 'exchange-rates',
    key: 'currency',
    fields: {
      currency: 'text(10)',
      eurRate: 'decimal(38,24)?',
      usdRate: 'decimal(38,24)?',
    },
  },
  {
    example: { currency: 'GBP', eurRate: '1.17', usdRate: '1.31' },
    // They decide what balances are worth.
    follow: async ({ em, sourceId }) => {
      await judgeBalances(em, sourceId, { companies: null, isByTransactions: false });
      return { touched: [], warnings: [] };
    },
  },
);
