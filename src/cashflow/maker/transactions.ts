import type { Parties } from './companies.js';
import { CURRENCIES } from './currencies.js';
import { spreadOverDays, timeOfEvent } from './day-plan.js';
import { DirtyDraw, type EventPlan } from './dirty-draw.js';
import { amountOf, type Flow, FlowCalendar } from './flows.js';
import type { Range } from './parties.js';
import { Random, WeightedChoice } from './random.js';
import { dirtyQuota, type Rail } from './sizes.js';
import { TransactionIds } from './transaction-ids.js';
import { type DirtyKind, NO_CURRENCY, type Transaction, UNKNOWN_CURRENCY } from './transaction.js';

/** Who the transactions are between. */
export interface Cast {
  parties: Parties;
  strangers: Range;
  invalid: Range;
}

/** Of SWIFT transactions these parts are between companies, and between strangers alone; the rest has one company. */
const BETWEEN_COMPANIES = 0.2;
const BETWEEN_STRANGERS = 0.02;

/** This part of transactions between companies stays in one company, from one of its accounts to another. */
const WITHIN_COMPANY = 0.08;

/** Half of all transactions are those of a quarter of the companies. */
const BUSY = 0.5;

/** Half of the invalid rows of SWIFT have an invalid payer, four in ten an invalid beneficiary, the others both. */
const INVALID_SIDES = new WeightedChoice([
  ['payer', 5],
  ['beneficiary', 4],
  ['both', 1],
] as const);

const SWIFT_CURRENCIES = new WeightedChoice(CURRENCIES.map(({ weight }, place) => [place, weight] as const));

/**
 * Amounts of what does not recur have from two to five digits before the point, in euros of the time, and rarely six: most bills are
 * small beside wages and rents. With larger ones chance alone would move balances, and nothing could be forecast.
 */
const AMOUNT_DIGITS = new WeightedChoice([
  [1, 400],
  [10, 2_600],
  [100, 6_000],
  [1_000, 990],
  [10_000, 10],
]);

const CLEAN: readonly DirtyKind[] = [];

/** Makes the transactions of one kind in the order of their times, day by day; it keeps none of them. */
export class TransactionMaker {
  private readonly random: Random;
  private readonly ids: TransactionIds;
  private readonly dirty: DirtyDraw;
  private readonly events: Int32Array;
  private readonly calendar: FlowCalendar;

  constructor(
    private readonly rail: Rail,
    rows: number,
    private readonly cast: Cast,
    flows: readonly Flow[],
    seed: number,
  ) {
    this.random = new Random(seed, `transactions of ${rail}`);
    this.ids = new TransactionIds(new Random(seed, `ids of ${rail}`));
    this.calendar = new FlowCalendar(flows);
    this.dirty = new DirtyDraw(rows - this.calendar.total, dirtyQuota(rail, rows), new Random(seed, `dirt of ${rail}`));
    this.events = spreadOverDays(this.dirty.events, new Random(seed, `days of ${rail}`));
  }

  /** The transactions of a day, flows and others in one order. Days are asked for in their order. */
  *ofDay(day: number): Generator<Transaction> {
    const due = this.calendar.take(day);
    const count = this.events[day] as number;
    let next = 0;
    for (let place = 0; place < count; place++) {
      const timeUs = timeOfEvent(place, count, this.random);
      while (next < due.length && (due[next] as { timeUs: number }).timeUs <= timeUs) {
        yield this.payment(day, due[next++] as { flow: Flow; time: number; timeUs: number });
      }
      yield* this.event(day, timeUs);
    }
    while (next < due.length) yield this.payment(day, due[next++] as { flow: Flow; time: number; timeUs: number });
  }

  private payment(day: number, { flow, time, timeUs }: { flow: Flow; time: number; timeUs: number }): Transaction {
    const { payer, beneficiary, currency } = flow;
    const amount = amountOf(flow, time);
    return { id: this.ids.next(day, timeUs), payer, beneficiary, amount, currency, timeUs, kinds: CLEAN, copies: 1 };
  }

  private *event(day: number, timeUs: number): Generator<Transaction> {
    const plan = this.dirty.next();
    const [payer, beneficiary] = this.rail === 'sepa' ? this.knownSides(true) : this.swiftSides(plan.isInvalid);
    const currency = this.currencyOf(plan);
    const id = this.ids.next(day, timeUs);
    const kinds = kindsOf(plan);
    let amount = this.amount(currency);
    for (let row = 0; row < plan.rows; row++) {
      const isTwin = plan.isTwin && row === 0;
      yield {
        id,
        payer,
        beneficiary,
        amount,
        currency,
        timeUs,
        kinds: isTwin ? [...kinds, 'duplicate'] : kinds,
        copies: isTwin ? 2 : 1,
      };
      // The rows of a batch differ in their amounts.
      amount += this.random.between(1, 5_000);
    }
  }

  private swiftSides(isInvalid: boolean): [payer: number, beneficiary: number] {
    const { random, cast } = this;
    if (isInvalid) {
      const side = INVALID_SIDES.draw(random);
      const other = side === 'both' ? drawFrom(cast.invalid, random) : this.account(this.company(), false);
      const invalid = drawFrom(cast.invalid, random);
      return side === 'payer' ? [invalid, other] : [other, invalid];
    }
    const place = random.fraction();
    if (place < BETWEEN_COMPANIES) return this.knownSides(false);
    const stranger = drawFrom(cast.strangers, random);
    if (place < BETWEEN_COMPANIES + BETWEEN_STRANGERS) return [stranger, drawFrom(cast.strangers, random)];
    const account = this.account(this.company(), false);
    return random.chance(0.5) ? [account, stranger] : [stranger, account];
  }

  /** Two accounts of companies, which may be two of one company, but are never the same one. */
  private knownSides(isSepa: boolean): [payer: number, beneficiary: number] {
    const { random } = this;
    const { firstAccounts, sepaAccounts } = this.cast.parties;
    const company = this.company();
    const first = firstAccounts[company] as number;
    const accounts = isSepa ? (sepaAccounts[company] as number) : (firstAccounts[company + 1] as number) - first;
    const payer = random.below(accounts);
    if (accounts > 1 && random.chance(WITHIN_COMPANY)) {
      return [first + payer, first + ((payer + 1 + random.below(accounts - 1)) % accounts)];
    }
    const companies = sepaAccounts.length;
    const other = (company + 1 + random.below(companies - 1)) % companies;
    return [first + payer, this.account(other, isSepa)];
  }

  private company(): number {
    const companies = this.cast.parties.sepaAccounts.length;
    return this.random.below(this.random.chance(BUSY) ? Math.ceil(companies / 4) : companies);
  }

  private account(company: number, isSepa: boolean): number {
    const { firstAccounts, sepaAccounts } = this.cast.parties;
    const first = firstAccounts[company] as number;
    return (
      first +
      this.random.below(isSepa ? (sepaAccounts[company] as number) : (firstAccounts[company + 1] as number) - first)
    );
  }

  private currencyOf(plan: EventPlan): number {
    if (plan.isWithoutCurrency) return this.random.chance(0.5) ? NO_CURRENCY : UNKNOWN_CURRENCY;
    return this.rail === 'sepa' ? 0 : SWIFT_CURRENCIES.draw(this.random);
  }

  /** In the smallest units, such as cents. */
  private amount(currency: number): number {
    const { random } = this;
    const { decimals, perEuro } = CURRENCIES[Math.max(currency, 0)] as (typeof CURRENCIES)[number];
    const least = AMOUNT_DIGITS.draw(random);
    const unit = 10 ** decimals;
    return Math.max(1, Math.floor(random.between(least * 100, least * 1000) * 0.01 * unit * perEuro));
  }
}

function drawFrom({ from, to }: Range, random: Random): number {
  return from + random.below(to - from);
}

function kindsOf({ rows, isInvalid, isWithoutCurrency }: EventPlan): readonly DirtyKind[] {
  if (rows === 1 && !isInvalid && !isWithoutCurrency) return CLEAN;
  return [
    ...(rows > 1 ? (['batch'] as const) : []),
    ...(isInvalid ? (['invalid_iban'] as const) : []),
    ...(isWithoutCurrency ? (['no_currency'] as const) : []),
  ];
}
