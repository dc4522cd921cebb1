import { ApiProperty } from '@nestjs/swagger';
import type { Image } from './changed-rows.js';

export const OPERATIONS = ['created', 'updated', 'deleted', 'restored'] as const;
export type Operation = (typeof OPERATIONS)[number];

const IMAGE = { type: 'object', nullable: true, additionalProperties: true } as const;

/** What a change did to a row. */
class Change {
  @ApiProperty({ enum: OPERATIONS, example: 'updated' })
  operation!: Operation;

  @ApiProperty({
    ...IMAGE,
    description: 'the fields before; null for created and restored',
    example: { amount: '4.46' },
  })
  before!: Image;

  @ApiProperty({ ...IMAGE, description: 'the fields after; null for deleted', example: { amount: '7.10' } })
  after!: Image;
}

/** One of the changes of a job. */
export class JobChangeView extends Change {
  @ApiProperty({ example: '501' })
  externalId!: string;
}

/** One of the changes that a row went through. */
export class HistoryItem extends Change {
  @ApiProperty({ format: 'date-time' })
  at!: Date;

  @ApiProperty({ format: 'uuid', description: 'the job that did it' })
  jobId!: string;

  @ApiProperty({ example: 'default', description: 'the external system whose snapshot it was' })
  source!: string;
}

/** One of the changes of a source. */
export class FeedItem extends JobChangeView {
  @ApiProperty({ example: 'payments' })
  resource!: string;

  @ApiProperty({ format: 'date-time' })
  at!: Date;

  @ApiProperty({ format: 'uuid', description: 'the job that did it; its changes are visible all at once' })
  jobId!: string;
}
