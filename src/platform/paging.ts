import { ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsInt, IsOptional, IsString, Max, MaxLength, Min } from 'class-validator';
import type { Request, Response } from 'express';
import { Refusal } from './refusal.js';

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
  @MaxLength(4000)
  cursor?: string;
}

/** Digits become their number; anything else stays as it is, for the validator to refuse. */
export function wholeNumber(value: unknown): unknown {
  return typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value;
}

/**
 * Cuts one row more than `limit` back to a page.
 * @param keyOf the sort key of a row, ending in something unique
 * @param scope the list and order that the cursor belongs to; cursors of other lists are refused
 */
export function toPage<T>(rows: T[], limit: number, scope: string, keyOf: (row: T) => string[]): Page<T> {
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  const nextCursor = rows.length > limit && last !== undefined ? encodeCursor(scope, keyOf(last)) : null;
  return { items, nextCursor };
}

/** An opaque cursor with the sort key of a row in the list `scope`, for {@link readCursor}. */
export function encodeCursor(scope: string, key: string[]): string {
  return Buffer.from(JSON.stringify([scope, ...key])).toString('base64url');
}

/**
 * The sort key that a cursor carries, or null without one.
 * @throws Refusal 400 for a cursor that we did not make for this list and order
 */
export function readCursor(cursor: string | undefined, scope: string, length: number): string[] | null {
  if (cursor === undefined) return null;
  const refusal = Refusal.foreignCursor();
  let parts: unknown;
  try {
    parts = JSON.parse(Buffer.from(cursor, 'base64url').toString());
  } catch {
    throw refusal;
  }
  if (!Array.isArray(parts) || parts.length !== length + 1 || parts[0] !== scope) throw refusal;
  if (!parts.every((part) => typeof part === 'string' && part.isWellFormed() && !part.includes('\0'))) throw refusal;
  return parts.slice(1) as string[];
}

/** The cursor's single part as a whole number: for lists that are ordered by a position. */
export function readPosition(cursor: string | undefined, scope: string): number | null {
  const key = readCursor(cursor, scope, 1);
  if (key === null) return null;
  if (!/^\d{1,15}$/.test(key[0] ?? '')) throw Refusal.foreignCursor();
  return Number(key[0]);
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
