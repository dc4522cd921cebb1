import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Allow, IsIn, IsInt, IsOptional, IsString, Max, MaxLength, Min } from 'class-validator';
import { exact, toCents } from '../../values/exact-decimal.js';
import { formatMoney } from '../../values/money.js';
import { MAX_FORECAST_DAYS } from '../cashflow-query.dto.js';
import { type Target, TARGETS } from '../rates.js';
import { showInstant } from '../transaction-rows.js';
import { RULE_KINDS, type RuleKind, type RuleRow } from './rule-row.js';

const MAX_IBAN_CHARACTERS = 100;

/** A line that a company's balance should not fall below. */
export class CreateLiquidityRule {
  @ApiProperty({ enum: RULE_KINDS, description: 'the balance, or the lowest one that is expected of the next days' })
  @IsIn(RULE_KINDS)
  kind!: RuleKind;

  @ApiProperty({ type: 'string', example: '10000.00', description: 'a decimal, as text or as a number' })
  @Allow()
  threshold!: unknown;

  @ApiProperty({ enum: TARGETS })
  @IsIn(TARGETS)
  currency!: Target;

  @ApiPropertyOptional({
    type: 'string',
    nullable: true,
    description: 'one account of the company; without it all of them',
  })
  @IsOptional()
  @IsString()
  @MaxLength(MAX_IBAN_CHARACTERS)
  iban?: string | null;

  @ApiPropertyOptional({
    type: 'integer',
    nullable: true,
    minimum: 1,
    maximum: MAX_FORECAST_DAYS,
    default: 30,
    description: 'how far a forecast looks; not for a balance',
  })
  @IsOptional()
  @IsInt()
  @Min(1)
  @Max(MAX_FORECAST_DAYS)
  days?: number | null;
}

/** A rule, and on which side of its line the balance is. */
export class LiquidityRuleView {
  @ApiProperty({ format: 'uuid' })
  id!: string;

  @ApiProperty()
  companyId!: string;

  @ApiProperty({ enum: RULE_KINDS })
  kind!: RuleKind;

  @ApiProperty({ example: '10000.00' })
  threshold!: string;

  @ApiProperty({ enum: TARGETS })
  currency!: Target;

  @ApiProperty({ type: 'string', nullable: true })
  iban!: string | null;

  @ApiProperty({ type: 'integer', nullable: true })
  days!: number | null;

  @ApiProperty({ type: 'boolean', nullable: true, description: 'null until a forecast was made' })
  breached!: boolean | null;

  @ApiProperty({
    type: 'string',
    format: 'date-time',
    nullable: true,
    description:
      'when it turned last: the instant of the bank transaction that has moved the balance to this side of the line',
  })
  since!: string | null;

  @ApiProperty({
    type: 'string',
    nullable: true,
    example: '9120.55',
    description: 'the balance of that moment; of a forecast the lowest that is expected',
  })
  balance!: string | null;

  @ApiProperty({ format: 'date-time' })
  created!: string;
}

export function toRuleView(row: RuleRow): LiquidityRuleView {
  const { id, company, kind, threshold, currency, iban, days, is_breached: breached, since, balance, created } = row;
  return {
    id,
    companyId: company,
    kind,
    threshold: formatMoney(threshold),
    currency,
    iban,
    days,
    breached,
    since: since === null ? null : showInstant(since),
    balance: balance === null ? null : toCents(exact(balance)),
    created: showInstant(created),
  };
}
