import type { Request } from 'express';
import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { brotliDecompress, constants, gunzip, zstdDecompress } from 'node:zlib';
import { announcedDigest, mustBeAnnounced } from '../platform/content-digest.js';
import { bodyTooLarge, wholeBody } from '../platform/whole-body.js';
import { Refusal } from '../platform/refusal.js';
import { readCsvClaim, readJsonClaim, type SentClaim } from './sent-claim.js';

/** A map, as an object also has what all objects have. */
const READERS = new Map([
  ['application/json', readJsonClaim],
  ['text/csv', readCsvClaim],
]);

const TYPES = [...READERS.keys()].join(', ');

/** How fast a claim must come in: a large one within some minutes. */
const PACE = { windowSeconds: 20, bytesPerSecond: 10 * 1024 };

/** RFC 9659 lets a frame of zstd refer back 8 MiB. */
const ZSTD_WINDOW = { [constants.ZSTD_d_windowLogMax]: 23 };

type Inflate = (bytes: Buffer, maxOutputLength: number) => Promise<Buffer>;

const INFLATERS = new Map<string, Inflate>([
  ['gzip', (bytes, maxOutputLength) => promisify(gunzip)(bytes, { maxOutputLength })],
  ['br', (bytes, maxOutputLength) => promisify(brotliDecompress)(bytes, { maxOutputLength })],
  ['zstd', (bytes, maxOutputLength) => promisify(zstdDecompress)(bytes, { maxOutputLength, params: ZSTD_WINDOW })],
]);

const ENCODINGS = [...INFLATERS.keys()].join(', ');

/** A claim that has come in, and is not looked at yet. */
export interface ClaimBody {
  /** How many bytes it may come to. */
  mostBytes: number;
  /** @throws Refusal 400, 413 or 422 */
  read: (maxLines: number) => Promise<SentClaim>;
}

/**
 * Takes the body of a request in, at most `maxBytes` of it, also after decompression. Bytes other than those that its
 * `Content-Digest` describes have been changed on their way.
 * @throws Refusal 400, 408, 413 or 415
 */
export async function takeClaim(request: Request, maxBytes: number): Promise<ClaimBody> {
  const read = readerOf(request.headers['content-type'] ?? '');
  const inflate = inflaterOf(request.headers['content-encoding']);
  const announced = announcedDigest(request);
  const body = await wholeBody(request, maxBytes, PACE);
  if (announced !== null) mustBeAnnounced(createHash('sha256').update(body).digest(), announced);
  return {
    mostBytes: inflate === null ? body.length : maxBytes,
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

/** Without the byte order mark, as an editor may have put one there. */
function decode(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new Refusal(400, 'invalid_utf8', 'The body is not valid UTF-8.');
  }
}
