import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsISO8601, IsOptional, IsString, Matches, MaxLength } from 'class-validator';
import { PageQuery } from '../http/paging.js';

/** PostgreSQL stores no NUL. */
const TEXT = /^[^\0]+$/;

const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,6})?)?Z$/;
const AN_INSTANT = { message: 'must be an instant such as 2026-11-21T10:00:00.000Z' };

/** Which entries to list: those that match every parameter given. */
export class ListAudit extends PageQuery {
  @ApiPropertyOptional({ example: 'nightly-export', description: 'the name of the key' })
  @IsOptional()
  @IsString()
  @Matches(TEXT, { message: 'must be text' })
  @MaxLength(300)
  actor?: string;

  @ApiPropertyOptional({ example: 'job.approved' })
  @IsOptional()
  @Matches(/^[a-z_-]+(\.[a-z_-]+)*$/)
  @MaxLength(100)
  action?: string;

  @ApiPropertyOptional({ example: 'patients:11', description: 'kind and id' })
  @IsOptional()
  @IsString()
  @Matches(TEXT, { message: 'must be text' })
  @MaxLength(300)
  subject?: string;

  @ApiPropertyOptional({ example: 'default' })
  @IsOptional()
  @Matches(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/)
  source?: string;

  @ApiPropertyOptional({ example: '2026-11-21T10:00:00Z', description: 'entries of this instant and later' })
  @IsOptional()
  @Matches(INSTANT, AN_INSTANT)
  @IsISO8601({ strict: true }, AN_INSTANT)
  from?: string;

  @ApiPropertyOptional({ example: '2026-11-22T00:00:00Z', description: 'entries before this instant' })
  @IsOptional()
  @Matches(INSTANT, AN_INSTANT)
  @IsISO8601({ strict: true }, AN_INSTANT)
  to?: string;
}

/** An entry of the audit log. */
export class AuditView {
  @ApiProperty({ description: 'consecutive, without gaps', type: 'integer' })
  seq!: number;
  @ApiProperty({ example: '2026-11-21T10:00:00.000Z' })
  at!: string;
  @ApiProperty({ description: 'the name of the key' })
  actor!: string;
  @ApiProperty({ type: 'string', nullable: true })
  keyId!: string | null;
  @ApiProperty({ type: 'string', nullable: true })
  source!: string | null;
  @ApiProperty({ example: 'patients.read' })
  action!: string;
  @ApiProperty({ type: 'string', nullable: true, example: 'patients:11' })
  subject!: string | null;
  @ApiProperty({ type: 'integer', nullable: true, description: 'how many items the answer had' })
  items!: number | null;
  @ApiProperty({ type: 'string', nullable: true })
  address!: string | null;
  @ApiProperty({ type: 'string', nullable: true })
  requestId!: string | null;
  @ApiProperty({ enum: ['allowed', 'refused', 'failed'] })
  outcome!: string;
  @ApiProperty({ type: 'integer', nullable: true, description: 'of the HTTP answer' })
  status!: number | null;
  @ApiProperty({ description: 'SHA-256 over this entry and the hash of the previous one, in hexadecimal' })
  hash!: string;
}
