import { applyDecorators } from '@nestjs/common';
import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsIn, IsInt, IsOptional, IsString, Length, Matches, Max, MaxLength, Min } from 'class-validator';
import { PageQuery, wholeNumber } from '../http/paging.js';
import { Refusal } from '../http/refusal.js';
import { parseInstant } from '../values/calendar.js';
import { INTERVALS, type Interval } from './periods.js';
import { type Target, TARGETS } from './rates.js';
import { type CleaningRules, type Kind, KINDS } from './verdicts.js';

const IBAN_RULES = ['either', 'both'] as const;
const YES_OR_NO = ['true', 'false'] as const;

/** Longer than any instant that is one. */
const MAX_INSTANT = 60;

/** A parameter that is one of some words. */
function OneOf(values: readonly string[], fallback: string, description?: string): PropertyDecorator {
  return applyDecorators(
    ApiPropertyOptional({
      enum: [...values],
      default: fallback,
      ...(description === undefined ? {} : { description }),
    }),
    IsOptional(),
    IsIn(values),
  );
}

/** A parameter that is an instant, which `instantOf` reads. */
function AnInstant(example: string, description: string, required = false): PropertyDecorator {
  return applyDecorators(
    ApiProperty({ required, example, description }),
    IsOptional(),
    IsString(),
    MaxLength(MAX_INSTANT),
  );
}

const From = (required = false) => AnInstant('2018-01-01', 'from this instant on', required);
const To = (required = false) => AnInstant('2019-01-01', 'before this instant', required);
const InTarget = () => OneOf(TARGETS, 'EUR');
const IncludesBatch = () => OneOf(YES_OR_NO, 'false', 'whether payments of batches count');
const ByIbanRule = () => OneOf(IBAN_RULES, 'either', 'whether one invalid IBAN leaves a transaction out, or only both');

/** An instant of the query as we write it. @throws Refusal 400 */
export function instantOf(parameter: string, text: string): string {
  const instant = parseInstant(text);
  if (instant !== null) return instant;
  throw Refusal.parameter(parameter, 'must be an instant such as 2018-01-31T10:00:00Z, or a day as YYYY-MM-DD');
}

/** Which transactions count, and in which currency they are told. */
export class CashflowQuery {
  @InTarget()
  currency: Target = 'EUR';

  @IncludesBatch()
  includeBatch: (typeof YES_OR_NO)[number] = 'false';

  @ByIbanRule()
  ibanRule: CleaningRules['ibanRule'] = 'either';
}

/** The rules that a query asks for. */
export function rulesOf({ includeBatch, ibanRule }: Pick<CashflowQuery, 'includeBatch' | 'ibanRule'>): CleaningRules {
  return { includeBatch: includeBatch === 'true', ibanRule };
}

/** Query of a balance. */
export class BalanceQuery extends CashflowQuery {
  @AnInstant('2018-12-31T23:59:59.999999Z', 'up to and including this instant; now')
  at?: string;
}

export const MAX_FORECAST_DAYS = 365;

/** Query of a forecast. */
export class ForecastQuery extends CashflowQuery {
  @ApiPropertyOptional({ type: 'integer', minimum: 1, maximum: MAX_FORECAST_DAYS, default: 30 })
  @IsOptional()
  @Transform(({ value }) => wholeNumber(value))
  @IsInt()
  @Min(1)
  @Max(MAX_FORECAST_DAYS)
  days: number = 30;

  @ApiPropertyOptional({
    type: 'integer',
    minimum: 50,
    maximum: 95,
    default: 80,
    description: 'how many of a hundred balances should lie between low and high',
  })
  @IsOptional()
  @Transform(({ value }) => wholeNumber(value))
  @IsInt()
  @Min(50)
  @Max(95)
  level: number = 80;

  @AnInstant('2021-10-01', 'nothing after this instant is looked at; now')
  asOf?: string;
}

/** Query of countries. */
export class RangeQuery extends CashflowQuery {
  @From()
  from?: string;

  @To()
  to?: string;
}

/** Query of balances by period. */
export class BalancesQuery extends RangeQuery {
  @OneOf(INTERVALS, 'month')
  interval: Interval = 'month';
}

/** Query of a statement: of which time, and which transactions count. */
export class StatementQuery {
  @From(true)
  from?: string;

  @To(true)
  to?: string;

  @IncludesBatch()
  includeBatch: (typeof YES_OR_NO)[number] = 'false';

  @ByIbanRule()
  ibanRule: CleaningRules['ibanRule'] = 'either';
}

export const COMPANY_SORTS = ['name', 'balance', '-balance'] as const;

/** Query of `GET /companies`. */
export class ListCompanies extends PageQuery {
  @ApiPropertyOptional({ description: 'start of the name, in any case' })
  @IsOptional()
  @IsString()
  @Length(1, 250)
  // PostgreSQL has no text with a NUL, nor UTF-8 a surrogate by itself.
  @Matches(/^[^\0]*$/u, { message: 'must be text' })
  q?: string;

  @OneOf(COMPANY_SORTS, 'name')
  sort: (typeof COMPANY_SORTS)[number] = 'name';

  @InTarget()
  currency: Target = 'EUR';

  @IncludesBatch()
  includeBatch: (typeof YES_OR_NO)[number] = 'false';

  @ByIbanRule()
  ibanRule: CleaningRules['ibanRule'] = 'either';
}

export const WHICH_ROWS = ['all', 'counted'] as const;

/** Query of the transactions of a company. */
export class ListTransactions extends PageQuery {
  @From()
  from?: string;

  @To()
  to?: string;

  @OneOf(WHICH_ROWS, 'all', 'all, or those that count in balances')
  rows: (typeof WHICH_ROWS)[number] = 'all';

  @IncludesBatch()
  includeBatch: (typeof YES_OR_NO)[number] = 'false';

  @ByIbanRule()
  ibanRule: CleaningRules['ibanRule'] = 'either';
}

/** Query of `GET /cashflow/dirty`. */
export class ListDirty extends PageQuery {
  @ApiPropertyOptional({ enum: KINDS })
  @IsOptional()
  @IsIn(KINDS)
  kind?: Kind;
}
