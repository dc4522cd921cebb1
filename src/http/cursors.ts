import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { Page } from './paging.js';
import { Refusal } from './refusal.js';

/** SHA-256 is 32 bytes long. */
const SIGNATURE_BYTES = 32;

/**
 * The longest cursor that is decoded. Our longest have about 4,900 characters: an external id of 2,500 bytes, and a text of 250
 * characters with four bytes each.
 */
const MAX_CURSOR_CHARACTERS = 5_000;

/** What may come after the signature in such a cursor: base64 writes three bytes with four characters. */
const MAX_CONTENT_BYTES = (MAX_CURSOR_CHARACTERS * 3) / 4 - SIGNATURE_BYTES;

/** Between the parts of a key that does not fit as JSON. PostgreSQL has no text with it. */
const SEPARATOR = '\0';

/**
 * The scope of the cursors of a list: of one source, with these filters and in this order. Told by a digest, as filters may be
 * long and a cursor has to fit into an address.
 */
export function listScope(list: string, sourceId: number, filters: Record<string, unknown> = {}): string {
  const digest = createHash('sha256')
    .update(JSON.stringify([sourceId, filters]))
    .digest('base64url');
  return `${list} ${digest.slice(0, 16)}`;
}

/**
 * Makes the cursors of all lists and reads them. A cursor holds the list and order that it belongs to (its scope) and the sort
 * key of a row, signed with a secret that the database keeps, so that all instances take the cursors of each other. Nobody
 * else can make one: a key of a caller's choice could let a query sort all that a source ever had.
 */
@Injectable()
export class Cursors {
  private secret: Buffer | null = null;

  constructor(private readonly em: EntityManager) {}

  /** Reads the secret. To be called once, before the first request. */
  async load(): Promise<void> {
    const [row] = await this.em.fork().execute<{ secret: Buffer }[]>('select secret from cursor_secret');
    if (!row) throw new Error('the database has no secret for cursors');
    this.secret = row.secret;
  }

  /** A cursor with the sort key of a row in the list `scope`, for {@link read}. */
  make(scope: string, key: string[]): string {
    const content = contentOf([scope, ...key]);
    return Buffer.concat([this.signatureOf(content), content]).toString('base64url');
  }

  /**
   * The sort key that a cursor carries, or null without one.
   * @param length how many parts the key has
   * @throws Refusal 400 for a cursor that we did not make for this list and order, without any query
   */
  read(cursor: string | undefined, scope: string, length: number): string[] | null {
    if (cursor === undefined) return null;
    const content = cursor.length > MAX_CURSOR_CHARACTERS ? null : this.contentOf(cursor);
    if (content === null) throw Refusal.foreignCursor();
    const [madeFor, ...key] = partsOf(content.toString());
    // Another version of the program may have made it, with a key of another length.
    if (madeFor !== scope || key.length !== length) throw Refusal.foreignCursor();
    return key;
  }

  /** The cursor's single part as a whole number: for lists that are ordered by a position. @throws Refusal 400 */
  readPosition(cursor: string | undefined, scope: string): number | null {
    const key = this.read(cursor, scope, 1);
    return key === null ? null : Number(key[0]);
  }

  /**
   * Cuts one row more than `limit` back to a page.
   * @param scope the list and order that the cursor belongs to; cursors of other lists are refused
   * @param keyOf the sort key of a row, ending in something unique
   */
  toPage<T>(rows: T[], limit: number, scope: string, keyOf: (row: T) => string[]): Page<T> {
    const items = rows.slice(0, limit);
    const last = items.at(-1);
    const nextCursor = rows.length > limit && last !== undefined ? this.make(scope, keyOf(last)) : null;
    return { items, nextCursor };
  }

  /** What follows our signature, or null for any text that we have not made. */
  private contentOf(cursor: string): Buffer | null {
    const bytes = Buffer.from(cursor, 'base64url');
    // The decoder skips what it does not know, so several texts have the same bytes.
    if (bytes.length <= SIGNATURE_BYTES || bytes.toString('base64url') !== cursor) return null;
    const content = bytes.subarray(SIGNATURE_BYTES);
    // In constant time: otherwise a signature could be guessed byte by byte.
    return timingSafeEqual(bytes.subarray(0, SIGNATURE_BYTES), this.signatureOf(content)) ? content : null;
  }

  private signatureOf(content: Buffer): Buffer {
    if (this.secret === null) throw new Error('the secret for cursors is not loaded');
    return createHmac('sha256', this.secret).update(content).digest();
  }
}

/** As JSON, unless that is too long: it writes each control character with six. */
function contentOf(parts: string[]): Buffer {
  const json = Buffer.from(JSON.stringify(parts));
  return json.length <= MAX_CONTENT_BYTES ? json : Buffer.from(parts.join(SEPARATOR));
}

/** Lists have names that begin with a letter, JSON does not. */
function partsOf(content: string): string[] {
  return content.startsWith('[') ? (JSON.parse(content) as string[]) : content.split(SEPARATOR);
}
