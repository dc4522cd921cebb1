import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsOptional, IsString, Length, Matches } from 'class-validator';
import { compareDecimals } from '../values/money.js';
import { PageQuery } from '../http/paging.js';
import { Refusal } from '../http/refusal.js';

export const PATIENT_SORTS = ['externalId', '-paymentsTotal', 'paymentsTotal', 'lastName'] as const;
export type PatientSort = (typeof PATIENT_SORTS)[number];

/** A plain decimal of any sign. */
const DECIMAL = /^-?\d{1,24}(\.\d{1,24})?$/;
const NO_DECIMAL = { message: 'must be a decimal number such as 10 or 17.22' };

/** Which patients to list. */
export class ListPatients extends PageQuery {
  @ApiPropertyOptional({ example: '10', description: 'least total of payments' })
  @IsOptional()
  @Matches(DECIMAL, NO_DECIMAL)
  payment_min?: string;

  @ApiPropertyOptional({ example: '20', description: 'greatest total of payments' })
  @IsOptional()
  @Matches(DECIMAL, NO_DECIMAL)
  payment_max?: string;

  @ApiPropertyOptional({ description: 'the same as payment_min' })
  @IsOptional()
  @Matches(DECIMAL, NO_DECIMAL)
  payments_min?: string;

  @ApiPropertyOptional({ description: 'the same as payment_max' })
  @IsOptional()
  @Matches(DECIMAL, NO_DECIMAL)
  payments_max?: string;

  @ApiPropertyOptional({ example: 'deck', description: 'start of the first or last name, in any case' })
  @IsOptional()
  @IsString()
  @Length(1, 250)
  @Matches(/^[^\0]*$/u, { message: 'must be text' })
  q?: string;

  @ApiPropertyOptional({ enum: PATIENT_SORTS, default: 'externalId' })
  @IsOptional()
  @IsIn(PATIENT_SORTS)
  sort: PatientSort = 'externalId';
}

/** A patient as callers see it. */
export class PatientView {
  @ApiProperty({ example: 1 })
  id!: number;

  @ApiProperty({ example: '5' })
  externalId!: string;

  @ApiProperty({ example: 'Rick' })
  firstName!: string;

  @ApiProperty({ nullable: true, type: 'string', example: null })
  middleName!: string | null;

  @ApiProperty({ example: 'Deckard' })
  lastName!: string;

  @ApiProperty({ nullable: true, type: 'string', format: 'date', example: '1994-02-01' })
  dateOfBirth!: string | null;

  @ApiProperty({ example: '17.22' })
  paymentsTotal!: string;

  @ApiProperty({ example: 3 })
  paymentsCount!: number;

  @ApiProperty({ format: 'date-time' })
  created!: Date;

  @ApiProperty({ format: 'date-time' })
  updated!: Date;
}

/** The range of totals that a query asks for. @throws Refusal 400 if it is empty, or if two spellings of a bound differ */
export function totalsBetween(query: ListPatients): { paymentMin?: string; paymentMax?: string } {
  const paymentMin = eitherSpelling('payment_min', query.payment_min, query.payments_min);
  const paymentMax = eitherSpelling('payment_max', query.payment_max, query.payments_max);
  if (paymentMin !== undefined && paymentMax !== undefined && compareDecimals(paymentMin, paymentMax) > 0) {
    throw Refusal.parameter('payment_min', 'payment_min is greater than payment_max.', 'empty_range');
  }
  return { paymentMin, paymentMax };
}

/** The value of a parameter that has two spellings. @throws Refusal 400 if both are given and differ */
function eitherSpelling(name: string, one?: string, other?: string): string | undefined {
  if (one !== undefined && other !== undefined && compareDecimals(one, other) !== 0) {
    throw Refusal.parameter(name, `${name} and its other spelling have different values.`, 'conflicting_parameters');
  }
  return one ?? other;
}
