import { ApiProperty } from '@nestjs/swagger';
import { AnswerBasis } from '../cashflow-view.dto.js';
import { PERIOD_NAMES, type PeriodName } from './recurring.js';

/** What is expected of a day. */
export class ForecastDayView {
  @ApiProperty({ format: 'date' })
  date!: string;

  @ApiProperty({ example: '1204.50', description: 'the balance at the end of the day' })
  expected!: string;

  @ApiProperty({ example: '900.00' })
  low!: string;

  @ApiProperty({ example: '1500.00' })
  high!: string;

  @ApiProperty({ example: '0.00', description: 'what comes in that day because it recurs' })
  recurringIn!: string;

  @ApiProperty({ example: '800.00' })
  recurringOut!: string;
}

/** Something that recurs. */
export class RecurringView {
  @ApiProperty({ description: 'the IBAN of the other side' })
  counterparty!: string;

  @ApiProperty({ enum: ['in', 'out'] })
  direction!: 'in' | 'out';

  @ApiProperty({ enum: PERIOD_NAMES })
  period!: PeriodName;

  @ApiProperty({ example: '800.00', description: 'the usual amount, in its own currency' })
  amount!: string;

  @ApiProperty({ example: 'EUR' })
  currency!: string;

  @ApiProperty({ format: 'date' })
  next!: string;

  @ApiProperty({ example: 12 })
  seen!: number;

  @ApiProperty({ example: 1, description: 'periods in which nothing came' })
  missed!: number;
}

/** When a balance may be below zero. */
export class BelowZero {
  @ApiProperty({ format: 'date' })
  date!: string;

  @ApiProperty({ example: 0.12, description: 'the share of earlier errors with which it would be' })
  probability!: number;
}

/** How the same method would have done before. */
export class BacktestView {
  @ApiProperty({ example: 48, description: 'earlier moments from which it was tried' })
  origins!: number;

  @ApiProperty({
    nullable: true,
    type: 'number',
    description: 'the share of balances at the end that lay in the interval',
  })
  coverage!: number | null;

  @ApiProperty({ nullable: true, type: 'string', description: 'mean absolute error over all days' })
  mae!: string | null;

  @ApiProperty({ nullable: true, type: 'string', description: 'the same of "the balance stays"' })
  naiveMae!: string | null;
}

/** What a company will probably have. */
export class ForecastView extends AnswerBasis {
  @ApiProperty({ format: 'date-time' })
  asOf!: string;

  @ApiProperty({ example: 80 })
  level!: number;

  @ApiProperty({ example: '1000.00', description: 'the balance at `asOf`' })
  opening!: string;

  @ApiProperty({ type: [ForecastDayView] })
  items!: ForecastDayView[];

  @ApiProperty({ type: [RecurringView] })
  recurring!: RecurringView[];

  @ApiProperty({ type: BelowZero, nullable: true, description: 'the first day whose interval reaches below zero' })
  firstBelowZero!: BelowZero | null;

  @ApiProperty({ type: BacktestView })
  backtest!: BacktestView;
}
