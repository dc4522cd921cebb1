import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsOptional, IsString, Length, Matches } from 'class-validator';
import { EXTERNAL_ID } from '../definitions/definition.js';
import { PageQuery } from '../http/paging.js';
import type { Condition } from '../sync/lists/list-query.js';

const TEXT = { message: 'must be text' };

/** Which payments to list. */
export class ListPayments extends PageQuery {
  @ApiPropertyOptional({ example: '5', description: 'external id of the patient' })
  @IsOptional()
  @IsString()
  @Length(1, 250)
  @Matches(/^[^\0]*$/u, TEXT)
  external_id?: string;

  @ApiPropertyOptional({ example: '501', description: 'external id of the payment' })
  @IsOptional()
  @IsString()
  @Length(1, 250)
  @Matches(/^[^\0]*$/u, TEXT)
  payment_external_id?: string;
}

/** A payment as callers see it. */
export class PaymentView {
  @ApiProperty({ example: 1 })
  id!: number;

  @ApiProperty({ example: '501' })
  externalId!: string;

  @ApiProperty({ example: '5', description: 'external id of the patient' })
  patientId!: string;

  @ApiProperty({ example: '4.46' })
  amount!: string;

  @ApiProperty({ format: 'date-time' })
  created!: Date;

  @ApiProperty({ format: 'date-time' })
  updated!: Date;
}

/** The conditions on payments that a query asks for. */
export function conditionsOf({ external_id, payment_external_id }: Partial<ListPayments>): Condition[] {
  const values = { patientId: external_id, [EXTERNAL_ID]: payment_external_id };
  return Object.entries(values).flatMap(([field, value]) =>
    value === undefined ? [] : [{ field, operator: '=' as const, value }],
  );
}
