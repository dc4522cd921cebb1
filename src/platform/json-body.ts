import type { NextFunction, Request, Response } from 'express';
import { parseExact, rawNumber } from './exact-json.js';
import { Refusal } from './refusal.js';
import { wholeBody } from './whole-body.js';

/** What our endpoints that take a JSON object are sent is a few hundred bytes. */
const MAX_BYTES = 64 * 1024;

/** Whoever has not sent all of it after 20 s does not mean to. */
const PACE = { windowSeconds: 20, bytesPerSecond: MAX_BYTES / 20 };

/**
 * Reads a small JSON object into `request.body`, for routes that are told what to do in one. Snapshots never pass here:
 * they are streamed. A request without a body, or with one of no bytes, is left as it is.
 *
 * A number that a double does not hold exactly becomes a raw number (see {@link parseExact}), which is no number to those
 * who check the field: it is refused, never rounded to one that nobody sent. @throws Refusal 400, 408, 413 or 415
 */
export async function readJsonBody(request: Request, _response: Response, next: NextFunction): Promise<void> {
  const bytes = await readBody(request);
  if (bytes.length > 0) {
    refuseUnreadable(request);
    request.body = parse(bytes);
  }
  next();
}

async function readBody(request: Request): Promise<Buffer> {
  const isChunked = request.headers['transfer-encoding'] !== undefined;
  if (!isChunked) {
    if (Number(request.headers['content-length'] ?? 0) === 0) return Buffer.alloc(0);
    refuseUnreadable(request);
  }
  // Some clients send each body in chunks, also that of a request which has none: only its end tells.
  return wholeBody(request, MAX_BYTES, PACE);
}

function refuseUnreadable({ headers }: Request): void {
  const isJson = /^application\/json\s*(;\s*charset="?utf-8"?\s*)?$/i.test(headers['content-type'] ?? '');
  const isPlain = headers['content-encoding'] === undefined || headers['content-encoding'] === 'identity';
  if (isJson && isPlain) return;
  throw new Refusal(415, 'unsupported_media_type', 'The body must be application/json in UTF-8, not compressed.');
}

function parse(bytes: Buffer): object {
  let body: unknown;
  try {
    body = parseExact(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw new Refusal(400, 'malformed_json', 'The body is no well-formed JSON in UTF-8.');
  }
  if (typeof body !== 'object' || body === null || Array.isArray(body) || rawNumber(body) !== null) {
    throw new Refusal(400, 'invalid_body', 'The body must be a JSON object.');
  }
  // Names that every object has, such as `constructor`: the validation of DTOs drops or overlooks them.
  const inherited = Object.keys(body).find((name) => name in {} || name === 'prototype');
  if (inherited !== undefined) throw Refusal.field(inherited, 'There is no such field here.', 'unknown_field');
  return body;
}
