import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { type Target, TARGETS } from './rates.js';
import { type Kind, KINDS } from './verdicts.js';

/** How far answers can be trusted. */
export class AnswerBasis {
  @ApiProperty({ enum: TARGETS })
  currency!: Target;

  @ApiProperty({ nullable: true, type: 'string', format: 'date-time', description: 'when the rates were mirrored' })
  ratesAsOf!: string | null;

  @ApiProperty({ enum: ['current'], description: 'history is converted at the last rates' })
  rateBasis!: 'current';

  @ApiProperty({ description: 'whether the last pulls had all windows of transactions' })
  complete!: boolean;

  @ApiPropertyOptional({ description: 'present and true where the rates contradict each other' })
  ratesSuspect?: true;
}

/** The balance of one account. */
export class AccountBalance {
  @ApiProperty({ example: 'DE89370400440532013000' })
  iban!: string;

  @ApiProperty({ example: '1204.50' })
  balance!: string;
}

/** What there is in one currency, and what it is worth. */
export class CurrencyBalance {
  @ApiProperty({ example: 'GBP' })
  currency!: string;

  @ApiProperty({ example: '100.00' })
  amount!: string;

  @ApiProperty({ nullable: true, type: 'string', example: '117.00', description: 'null without a rate' })
  converted!: string | null;
}

/** What could not be converted. */
export class MissingRate {
  @ApiProperty({ example: 'ISK' })
  currency!: string;

  @ApiProperty({ example: 3, description: 'transactions' })
  count!: number;

  @ApiProperty({ example: '-20000.00', description: 'what came in minus what went out' })
  amount!: string;
}

/** Where the rows behind a figure are. */
export class BalanceLinks {
  @ApiProperty()
  transactions!: string;
}

/** What a company has, up to and including an instant. */
export class BalanceView extends AnswerBasis {
  @ApiProperty({ format: 'date-time' })
  at!: string;

  @ApiProperty({ example: '1204.50' })
  balance!: string;

  @ApiProperty({ example: '5000.00', description: 'from others' })
  credits!: string;

  @ApiProperty({ example: '3795.50', description: 'to others' })
  debits!: string;

  @ApiProperty({ example: '0.00', description: 'how far below zero' })
  overCommitted!: string;

  @ApiProperty({ example: '1204.50', description: 'how far above zero' })
  underCommitted!: string;

  @ApiProperty({ type: [AccountBalance] })
  accounts!: AccountBalance[];

  @ApiProperty({ type: [CurrencyBalance] })
  byCurrency!: CurrencyBalance[];

  @ApiProperty({ type: [MissingRate] })
  missingRates!: MissingRate[];

  @ApiProperty({ type: BalanceLinks })
  links!: BalanceLinks;
}

/** What moved in a period. */
export class PeriodBalance {
  @ApiProperty({ example: '2018-01', description: '2018-01-31, 2018-W05, 2018-01, 2018-Q1 or 2018' })
  period!: string;

  @ApiProperty({ example: '0.00' })
  opening!: string;

  @ApiProperty({ example: '100.00' })
  credits!: string;

  @ApiProperty({ example: '40.00' })
  debits!: string;

  @ApiProperty({ example: '60.00' })
  closing!: string;
}

/** A row for each period, without gaps. */
export class BalancesView extends AnswerBasis {
  @ApiProperty({ type: [PeriodBalance] })
  items!: PeriodBalance[];
}

/** What came from a country and went there. */
export class CountryView {
  @ApiProperty({ example: 'DE' })
  country!: string;

  @ApiProperty({ example: 12 })
  count!: number;

  @ApiProperty({ example: '100.00' })
  credits!: string;

  @ApiProperty({ example: '40.00' })
  debits!: string;
}

/** Countries of counterparties, in the order of their codes. */
export class CountriesView extends AnswerBasis {
  @ApiProperty({ type: [CountryView] })
  items!: CountryView[];
}

/** A company. */
export class CompanyView {
  @ApiProperty({ example: '17', description: 'its id at its source' })
  id!: string;

  @ApiProperty({ example: 'Tyrell Corporation' })
  name!: string;

  @ApiProperty({ nullable: true, type: 'string' })
  owner!: string | null;

  @ApiProperty({ nullable: true, type: 'string' })
  address!: string | null;

  @ApiProperty({ type: [String] })
  ibans!: string[];

  @ApiProperty({ nullable: true, type: 'string', description: 'what the source says; part of no other figure' })
  statedBalance!: string | null;
}

/** A company with what it has. */
export class CompanyPosition extends CompanyView {
  @ApiProperty({ example: '1204.50' })
  balance!: string;
}

/** A transaction and what is wrong with it. */
export class TransactionView {
  @ApiProperty({ enum: ['sepa', 'swift'] })
  resource!: string;

  @ApiProperty({ description: "the source's id, which payments of a batch share" })
  id!: string;

  @ApiProperty()
  payerIban!: string;

  @ApiProperty()
  beneficiaryIban!: string;

  @ApiProperty({ example: '2141.52' })
  amount!: string;

  @ApiProperty({ nullable: true, type: 'string', example: 'EUR' })
  currency!: string | null;

  @ApiProperty({ format: 'date-time' })
  timestamp!: string;

  @ApiProperty({ enum: KINDS, isArray: true })
  kinds!: Kind[];
}

/** A transaction that is not clean. */
export class DirtyView extends TransactionView {
  @ApiProperty({ description: 'what is wrong, as a sentence' })
  reason!: string;

  @ApiProperty({ nullable: true, type: 'string', description: 'the same for all payments of a batch' })
  group!: string | null;
}

export const DIRECTIONS = ['in', 'out', 'internal'] as const;

/** A transaction as a company sees it. */
export class CompanyTransaction extends TransactionView {
  @ApiProperty({ enum: DIRECTIONS })
  direction!: (typeof DIRECTIONS)[number];

  @ApiProperty({ description: "the other party's IBAN; of an internal transfer the receiving account" })
  counterparty!: string;
}
