import type { OutboxEvent } from '../../outbox/outbox.js';
import { formatMoney } from '../../values/money.js';

/** What an event of a rule tells. */
export interface LiquidityEventData {
  ruleId: string;
  companyId: string;
  /** The instant of the bank transaction that has moved the balance across the line. */
  at: string;
  /** The balance after it; of a forecast the lowest that is expected. */
  balance: string;
  threshold: string;
  /** Of a forecast: the day of that balance. */
  date?: string;
}

/** @param threshold a plain decimal */
export function liquidityEvent(isBreached: boolean, { threshold, ...data }: LiquidityEventData): OutboxEvent {
  const told: LiquidityEventData = { ...data, threshold: formatMoney(threshold) };
  return { type: isBreached ? 'liquidity.breached' : 'liquidity.recovered', jobId: null, data: () => told };
}
