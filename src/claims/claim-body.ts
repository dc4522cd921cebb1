import type { Request } from 'express';
import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { brotliDecompress, constants, gunzip, zstdDecompress } from 'node:zlib';
import { announcedDigest, mustBeAnnounced } from '../http/content-digest.js';
import { bodyTooLarge, wholeBody } from '../http/whole-body.js';
import { Refusal } from '../http/refusal.js';
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

/** What the headers of a request say about the claim in its body. */
export interface ClaimFormat {
  isCompressed: boolean;
  /** The most bytes that the body takes until it is decompressed. */
  bytes: number;
  /**
   * Receives the body as it was sent. It must match its `Content-Digest` if it has one.
   * @param signal stops the reading with the reason of its abort
   * @throws Refusal 400, 408 or 413
   */
  receive: (signal: AbortSignal) => Promise<Buffer>;
  /** @throws Refusal 400 or 413 */
  inflate: (body: Buffer) => Promise<Buffer>;
  /** @throws Refusal 400 or 422 */
  read: (bytes: Buffer, maxLines: number) => SentClaim;
}

/**
 * Reads the headers of a request that holds a claim. Its body may have at most `maxBytes`, before and after decompression.
 * @throws Refusal 400 or 415
 */
export function claimFormat(request: Request, maxBytes: number): ClaimFormat {
  const read = readerOf(request.headers['content-type'] ?? '');
  const inflate = inflaterOf(request.headers['content-encoding']);
  const announced = announcedDigest(request);
  return {
    isCompressed: inflate !== null,
    // Without a Content-Length it may become as large as is allowed.
    bytes: Math.min(Number(request.headers['content-length'] ?? maxBytes), maxBytes),
    receive: async (signal) => {
      const body = await wholeBody(request, maxBytes, PACE, signal);
      if (announced !== null) mustBeAnnounced(createHash('sha256').update(body).digest(), announced);
      return body;
    },
    inflate: async (body) => (inflate === null ? body : inflate(body, maxBytes)),
    read: (bytes, maxLines) => {
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
