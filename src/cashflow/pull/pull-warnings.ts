import { RAILS, type Pulled } from '../source/dialects.js';
import type { Position, PullWarning } from './pull-row.js';

/** What the owner of a pull should know though nothing has failed. */
export function warningsOf(positions: Partial<Record<Pulled, Position>>): PullWarning[] {
  const received = RAILS.reduce((sum, rail) => sum + (positions[rail]?.answers ?? 0), 0);
  const nothing = { code: 'nothing_received', detail: 'The source had no transactions, or none any more.' };
  return [
    ...(received === 0 ? [nothing] : []),
    ...RAILS.flatMap((resource) => {
      const { unknown = {}, warnings = [] } = positions[resource] ?? {};
      return [
        ...Object.entries(unknown).map(([currency, rows]) => unknownCurrency(resource, currency, rows)),
        ...warnings.map((code) => ({ code, detail: DETAILS[code] ?? code, resource })),
      ];
    }),
  ];
}

const DETAILS: Record<string, string> = {
  windows_unknown:
    'The windows of the source have another length than its dialect says: gaps within them are not seen.',
};

function unknownCurrency(resource: string, currency: string, rows: number): PullWarning {
  return { code: 'unknown_currency', detail: 'A currency of transactions has no rate.', resource, currency, rows };
}
