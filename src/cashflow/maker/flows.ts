import { CURRENCIES, type Currency } from './currencies.js';
import type { Parties } from './companies.js';
import { DAYS, MONTH_STARTS, MONTHS } from './days.js';
import { addParties } from './parties.js';
import { mix, Random, WeightedChoice } from './random.js';
import type { Rail } from './sizes.js';

/** How often a recurring flow comes, and how many days it may come early or late. */
const PERIODS = [
  { name: 'week', jitter: 1 },
  { name: 'month', jitter: 2 },
  { name: 'quarter', jitter: 4 },
] as const;

const [WEEK, MONTH, QUARTER] = [0, 1, 2] as const;

const PERIOD_CHOICE = new WeightedChoice([
  [WEEK, 3],
  [MONTH, 6],
  [QUARTER, 3],
]);

/** The share of all transactions that recur. */
const SHARE = 0.25;

/** Of a flow's payments, one in this many is missing. */
const MISSED = 0.03;

/** The least number of times that a flow comes. */
const LEAST_TIMES: readonly number[] = [20, 8, 6];

/** A standing flow between two parties, whose payments follow from its values by {@link dayOf} and {@link amountOf}. */
export interface Flow {
  payer: number;
  beneficiary: number;
  period: 0 | 1 | 2;
  /** The week, or the month, of its first payment, and how many there are, missed ones included. */
  first: number;
  times: number;
  /** The day within the week, or within the month. */
  dayOfPeriod: number;
  currency: number;
  /** In the smallest units of the currency. */
  amount: number;
  /** How much a payment may differ from `amount`, in thousandths; none for a rent. */
  amountNoise: number;
  /** Days that a payment may come early or late. */
  jitter: number;
  /** The second of the day. */
  timeS: number;
  salt: number;
  /** The days of the first and last payment that was really made; -1: none yet. */
  firstDay: number;
  lastDay: number;
}

export const periodName = (flow: Flow) => PERIODS[flow.period].name;

/** Plans flows until about a quarter of the transactions are theirs. */
export function planFlows(rail: Rail, rows: number, parties: Parties, seed: number): Flow[] {
  const random = new Random(seed, `flows of ${rail}`);
  const flows: Flow[] = [];
  let left = Math.floor(rows * SHARE);
  while (left >= (LEAST_TIMES[QUARTER] as number)) {
    const flow = drawFlow(rail, left, parties, random);
    flows.push(flow);
    left -= flow.times;
  }
  return flows;
}

function drawFlow(rail: Rail, most: number, parties: Parties, random: Random): Flow {
  let period = PERIOD_CHOICE.draw(random);
  while ((LEAST_TIMES[period] as number) > most) period = QUARTER;
  const [first, times] = drawLife(period, most, random);
  const currency = rail === 'sepa' ? 0 : random.below(6);
  const { decimals, perEuro } = CURRENCIES[currency] as Currency;
  const isSteady = random.chance(0.4);
  const { jitter } = PERIODS[period];
  return {
    ...drawSides(rail, parties, random),
    period,
    first,
    times,
    dayOfPeriod: random.below(period === WEEK ? 7 : 28),
    currency,
    amount: Math.round(random.between(200, 20_000) * perEuro) * 10 ** decimals,
    amountNoise: isSteady ? 0 : random.between(5, 40),
    jitter: random.chance(0.3) ? 0 : random.between(1, jitter),
    // A third of them is booked at midnight, as standing orders are.
    timeS: random.chance(0.3) ? 0 : random.between(8 * 3600, 17 * 3600),
    salt: random.next() | 0,
    firstDay: -1,
    lastDay: -1,
  };
}

/** The first week or month, and how many times: three in five flows last all the time. */
function drawLife(period: Flow['period'], most: number, random: Random): [first: number, times: number] {
  const all = [Math.floor(DAYS / 7), MONTHS, MONTHS / 3][period] as number;
  const step = period === QUARTER ? 3 : 1;
  const least = LEAST_TIMES[period] as number;
  const wanted = random.chance(0.6) ? all : random.between(least, all);
  const times = Math.min(wanted, most);
  return [random.below(all - times + 1) * step, times];
}

/** SEPA: between companies. SWIFT: between a company and a party of its own, in either direction. */
function drawSides(rail: Rail, parties: Parties, random: Random): Pick<Flow, 'payer' | 'beneficiary'> {
  const company = random.below(parties.sepaAccounts.length);
  const account = parties.firstAccounts[company] as number;
  if (rail === 'sepa') {
    const shift = 1 + random.below(parties.sepaAccounts.length - 1);
    const other = parties.firstAccounts[(company + shift) % parties.sepaAccounts.length] as number;
    return { payer: account, beneficiary: other };
  }
  const partner = addParties(parties, 1, random).from;
  return random.chance(0.5) ? { payer: account, beneficiary: partner } : { payer: partner, beneficiary: account };
}

/** The day of a flow's payment, counted from 0; -1 if it is missed. The first and the last one never are. */
export function dayOf(flow: Flow, time: number): number {
  const isEnd = time === 0 || time === flow.times - 1;
  if (!isEnd && mix(flow.salt, time) < MISSED * 2 ** 32) return -1;
  const shift = flow.jitter === 0 ? 0 : (mix(flow.salt + 1, time) % (2 * flow.jitter + 1)) - flow.jitter;
  const start =
    flow.period === WEEK
      ? (flow.first + time) * 7
      : (MONTH_STARTS[flow.first + time * (flow.period === QUARTER ? 3 : 1)] as number);
  return Math.min(Math.max(start + flow.dayOfPeriod + shift, 0), DAYS - 1);
}

/** The time of a payment in its day, up to half an hour from the usual one unless that is midnight. */
export function timeOf(flow: Flow, time: number): number {
  return flow.timeS === 0 ? 0 : flow.timeS * 1_000_000 + (mix(flow.salt + 2, time) % 1_800_000_000);
}

/** The amount of a payment in the smallest units of its currency. */
export function amountOf(flow: Flow, time: number): number {
  if (flow.amountNoise === 0) return flow.amount;
  const range = Math.floor((flow.amount * flow.amountNoise) / 1000);
  return flow.amount + (mix(flow.salt + 3, time) % (2 * range + 1)) - range;
}

/** Goes through the payments of many flows day by day, with one number of memory for each flow. */
export class FlowCalendar {
  /** How many payments each day has. */
  readonly perDay = new Int32Array(DAYS);
  readonly total: number;
  private readonly heads = new Int32Array(DAYS).fill(-1);
  private readonly nexts: Int32Array;
  private readonly times: Uint16Array;

  constructor(private readonly flows: readonly Flow[]) {
    this.nexts = new Int32Array(flows.length);
    this.times = new Uint16Array(flows.length);
    let total = 0;
    for (const [index, flow] of flows.entries()) {
      for (let time = 0; time < flow.times; time++) {
        const day = dayOf(flow, time);
        if (day >= 0) {
          this.perDay[day] = (this.perDay[day] as number) + 1;
          total++;
        }
      }
      this.enter(index, 0);
    }
    this.total = total;
  }

  /** The payments of a day by time: places in the flows, and which payment it is. Days are asked for in their order. */
  take(day: number): { flow: Flow; time: number; timeUs: number }[] {
    const due: { flow: Flow; time: number; timeUs: number }[] = [];
    for (let index = this.heads[day] as number; index >= 0;) {
      const following = this.nexts[index] as number;
      const flow = this.flows[index] as Flow;
      const time = this.times[index] as number;
      due.push({ flow, time, timeUs: timeOf(flow, time) });
      if (flow.firstDay < 0) flow.firstDay = day;
      flow.lastDay = day;
      this.enter(index, time + 1);
      index = following;
    }
    return due.toSorted((one, other) => one.timeUs - other.timeUs);
  }

  /** Puts a flow's next payment that is not missed into the list of its day. */
  private enter(index: number, from: number): void {
    const flow = this.flows[index] as Flow;
    for (let time = from; time < flow.times; time++) {
      const day = dayOf(flow, time);
      if (day < 0) continue;
      this.times[index] = time;
      this.nexts[index] = this.heads[day] as number;
      this.heads[day] = index;
      return;
    }
  }
}
