import type { OutboxEvent } from '../../outbox/outbox.js';
import { formatMoney } from '../../values/money.js';
import type { Target } from '../rates.js';
import type { RuleKind } from './rule-row.js';

/** What has happened to a rule. */
export interface LiquidityTurn {
  ruleId: string;
  companyId: string;
  /** The instant of the bank transaction that has moved the balance across the line. */
  at: string;
  /** The balance after it; of a forecast the lowest that is expected. */
  balance: string;
  threshold: string;
  kind: RuleKind;
  currency: Target;
  iban: string | null;
  /** Of a forecast: the day of that balance. */
  date?: string;
}

/** @param turn with the threshold as a plain decimal */
export function liquidityEvent(isBreached: boolean, turn: LiquidityTurn): OutboxEvent {
  const { ruleId, companyId, threshold } = turn;
  const link = `/companies/${encodeURIComponent(companyId)}/liquidity-rules/${ruleId}`;
  return {
    type: isBreached ? 'liquidity.breached' : 'liquidity.recovered',
    jobId: null,
    data: (source) => ({ ...turn, threshold: formatMoney(threshold), source, link }),
  };
}
