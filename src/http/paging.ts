import { ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsInt, IsOptional, IsString, Max, Min } from 'class-validator';
import type { Request, Response } from 'express';

/** A keyset page: the items in order and an opaque cursor to the next page, null at the end. */
export interface Page<T> {
  items: T[];
  nextCursor: string | null;
}

/** The query parameters of every list. */
export class PageQuery {
  @ApiPropertyOptional({ minimum: 1, maximum: 1000, default: 50, type: 'integer', description: 'items per page' })
  @IsOptional()
  @Transform(({ value }) => wholeNumber(value))
  @IsInt()
  @Min(1)
  @Max(1000)
  limit: number = 50;

  @ApiPropertyOptional({ description: 'the nextCursor of the page before' })
  @IsOptional()
  @IsString()
  cursor?: string;
}

/** Digits become their number; anything else stays as it is, for the validator to refuse. */
export function wholeNumber(value: unknown): unknown {
  return typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value;
}

/** Adds `Link: <…>; rel="next"` (RFC 8288) to the answer when there is a next page. */
export function linkNextPage(request: Request, response: Response, page: Page<unknown>): void {
  if (page.nextCursor === null) return;
  const next = new URL(request.originalUrl, 'http://here');
  // The change feed takes `after` for the same.
  next.searchParams.delete('after');
  next.searchParams.set('cursor', page.nextCursor);
  response.append('Link', `<${next.pathname}${next.search}>; rel="next"`);
}
