import type { Request } from 'express';
import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { brotliDecompress, constants, gunzip, zstdDecompress } from 'node:zlib';
import { announcedDigest, mustBeAnnounced } from '../platform/content-digest.js';
import { bodyTooLarge, wholeBody } from '../platform/whole-body.js';
import { Refusal } from '../platform/refusal.js';
import { readCsvClaim, readJsonClaim, type SentClaim } from './sent-claim.js';

/** A Map, since an object would also find inherited names such as `constructor`. */
const READERS = new Map([
  ['application/json', readJsonClaim],
  ['text/csv', readCsvClaim],
]);

const TYPES = [...READERS.keys()].join(', ');

/** The slowest upload that is accepted: a large claim must arrive within some minutes. */
const PACE = { windowSeconds: 20, bytesPerSecond: 10 * 1024 };

/** RFC 9659 limits the window of a zstd frame to 8 MiB. */
const ZSTD_WINDOW = { [constants.ZSTD_d_windowLogMax]: 23 };

type Inflate = (bytes: Buffer, maxOutputLength: number) => Promise<Buffer>;

const INFLATERS = new Map<string, Inflate>([
  ['gzip', (bytes, maxOutputLength) => promisify(gunzip)(bytes, { maxOutputLength })],
  ['br', (bytes, maxOutputLength) => promisify(brotliDecompress)(bytes, { maxOutputLength })],
  ['zstd', (bytes, maxOutputLength) => promisify(zstdDecompress)(bytes, { maxOutputLength, params: ZSTD_WINDOW })],
]);

const ENCODINGS = [...INFLATERS.keys()].join(', ');

/** The received body of a claim, not yet decompressed or parsed. */
export interface ClaimBody {
  /** The most bytes that the body can have after decompression. */
  maxBytes: number;
  /** @throws Refusal 400, 413 or 422 */
  read: (maxLines: number) => Promise<SentClaim>;
}

/**
 * Receives the body of a request. It may have at most `maxBytes`, before and after decompression, and must match its
 * `Content-Digest` if it has one.
 * @throws Refusal 400, 408, 413 or 415
 */
export async function receiveClaim(request: Request, maxBytes: number): Promise<ClaimBody> {
  const read = readerOf(request.headers['content-type'] ?? '');
  const inflate = inflaterOf(request.headers['content-encoding']);
  const announced = announcedDigest(request);
  const body = await wholeBody(request, maxBytes, PACE);
  if (announced !== null) mustBeAnnounced(createHash('sha256').update(body).digest(), announced);
  return {
    maxBytes: inflate === null ? body.length : maxBytes,
    read: async (maxLines) => {
      const bytes = inflate === null ? body : await inflate(body, maxBytes);
      if (bytes.length === 0) throw new Refusal(400, 'empty', 'The body is empty.');
      return read(decode(bytes), maxLines);
    },
  };
}

function readerOf(contentType: string): (text: string, maxLines: number) => SentClaim {
  const [type = '', ...parameters] = contentType.split(';').map((part) => part.trim().toLowerCase());
  const read = READERS.get(type);
  const charset = parameters.find((parameter) => parameter.startsWith('charset='))?.replace(/^charset="?|"$/g, '');
  if (read && (charset === undefined || charset === 'utf-8' || charset === 'utf8')) return read;
  const detail = `A claim's Content-Type is one of ${TYPES}, in UTF-8.`;
  throw new Refusal(415, 'unsupported_media_type', detail, { headers: { Accept: TYPES } });
}

function inflaterOf(header: string | undefined): Inflate | null {
  const encoding = header?.trim().toLowerCase() ?? '';
  if (encoding === 'identity' || encoding === '') return null;
  const inflate = INFLATERS.get(encoding);
  if (!inflate) {
    const detail = `A claim's Content-Encoding is one of ${ENCODINGS}, or none.`;
    throw new Refusal(415, 'unsupported_encoding', detail, { headers: { 'Accept-Encoding': ENCODINGS } });
  }
  return (bytes, maxBytes) => inflate(bytes, maxBytes).catch((error: unknown) => refuse(error, encoding, maxBytes));
}

function refuse(error: unknown, encoding: string, maxBytes: number): never {
  if ((error as { code?: unknown }).code === 'ERR_BUFFER_TOO_LARGE') throw bodyTooLarge(maxBytes);
  throw new Refusal(400, 'not_inflatable', `The body is not valid ${encoding}, or is cut short.`);
}

/** Decodes UTF-8 and drops a byte order mark, which some editors add. */
function decode(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new Refusal(400, 'invalid_utf8', 'The body is not valid UTF-8.');
  }
}
