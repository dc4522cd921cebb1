import type { NextFunction, Request, Response } from 'express';
import { parseExact, rawNumber } from '../values/exact-json.js';
import { Refusal } from './refusal.js';
import { wholeBody } from './whole-body.js';

/** Requests to our endpoints that take a JSON object have a few hundred bytes. */
const MAX_BYTES = 64 * 1024;

/** The whole body must arrive within 20 s. */
const PACE = { windowSeconds: 20, bytesPerSecond: MAX_BYTES / 20 };

/**
 * Middleware that reads a small JSON object into `request.body`. Not for snapshots, which are streamed. A request without
 * a body, or with one of no bytes, is left as it is.
 *
 * A number that a double does not hold exactly becomes a raw number (see {@link parseExact}). Validation does not take it
 * for a number, so it is refused, never rounded to another value. @throws Refusal 400, 408, 413 or 415
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
  // Some clients send a chunked body even with requests that have none: only reading it shows that it is empty.
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
    throw new Refusal(400, 'malformed_json', 'The body is not well-formed JSON in UTF-8.');
  }
  if (typeof body !== 'object' || body === null || Array.isArray(body) || rawNumber(body) !== null) {
    throw new Refusal(400, 'invalid_body', 'The body must be a JSON object.');
  }
  // Names that every object inherits, such as `constructor`: the validation of DTOs drops or overlooks them.
  const inherited = Object.keys(body).find((name) => name in {} || name === 'prototype');
  if (inherited !== undefined) throw Refusal.field(inherited, 'This field does not exist.', 'unknown_field');
  return body;
}
