import type { Target } from '../rates.js';

/** What is watched: the balance, or the lowest one that is expected of the next days. */
export const RULE_KINDS = ['balance_below', 'forecast_below'] as const;
export type RuleKind = (typeof RULE_KINDS)[number];

/** A rule as PostgreSQL returns it: instants as `to_jsonb` writes them, decimals as text. */
export interface RuleRow {
  id: string;
  company: string;
  kind: RuleKind;
  threshold: string;
  currency: Target;
  /** Of one account alone. */
  iban: string | null;
  /** How many days a forecast looks ahead; null for a balance. */
  days: number | null;
  /** Whether the balance is below the line; null while nobody has looked. */
  is_breached: boolean | null;
  /** Since when it is, or is not, and the balance then. */
  since: string | null;
  balance: string | null;
  created: string;
}

export const RULE_COLUMNS = `
  id, company, kind, threshold::text, currency, iban, days, is_breached, to_jsonb(since)#>>'{}' as since, balance::text,
  to_jsonb(created)#>>'{}' as created`;
