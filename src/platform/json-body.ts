import type { NextFunction, Request, Response } from 'express';
import { paced } from './body-pace.js';
import { Refusal } from './refusal.js';

/** What our endpoints that take a JSON object are sent is a few hundred bytes. */
const MAX_BYTES = 64 * 1024;

/** Whoever has not sent all of it after 20 s does not mean to. */
const PACE = { windowSeconds: 20, bytesPerSecond: MAX_BYTES / 20 };

/**
 * Reads a small JSON object into `request.body`, for routes that are told what to do in one. Snapshots never pass here:
 * they are streamed. A request without a body is left as it is. @throws Refusal 400, 408, 413 or 415
 */
export async function readJsonBody(request: Request, _response: Response, next: NextFunction): Promise<void> {
  if (hasBody(request)) {
    refuseUnreadable(request);
    request.body = parse(await bytesOf(request));
  }
  next();
}

function hasBody({ headers }: Request): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

function refuseUnreadable({ headers }: Request): void {
  const isJson = /^application\/json\s*(;\s*charset="?utf-8"?\s*)?$/i.test(headers['content-type'] ?? '');
  const isPlain = headers['content-encoding'] === undefined || headers['content-encoding'] === 'identity';
  if (isJson && isPlain) return;
  throw new Refusal(415, 'unsupported_media_type', 'The body must be application/json in UTF-8, not compressed.');
}

async function bytesOf(request: Request): Promise<Buffer> {
  const announced = Number(request.headers['content-length']);
  // A small body mostly comes with its head: then there is nothing to wait for, which would cost more than all else here.
  if (announced <= MAX_BYTES && request.readableLength === announced) {
    const bytes = request.read() as Buffer | null;
    request.resume();
    return bytes ?? Buffer.alloc(0);
  }
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of paced(request.iterator({ destroyOnReturn: false }), PACE)) {
    bytes += chunk.length;
    if (bytes > MAX_BYTES) {
      // Whoever sends too much should see the answer: what still comes is dropped until that is out.
      request.resume();
      throw tooLarge();
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function tooLarge(): Refusal {
  const headers = { Connection: 'close' };
  return new Refusal(413, 'body_too_large', `The body may have ${MAX_BYTES} bytes at most.`, { headers });
}

function parse(bytes: Buffer): object {
  let body: unknown;
  try {
    body = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw new Refusal(400, 'malformed_json', 'The body is no well-formed JSON in UTF-8.');
  }
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new Refusal(400, 'invalid_body', 'The body must be a JSON object.');
  }
  // Names that every object has, such as `constructor`: the validation of DTOs drops or overlooks them.
  const inherited = Object.keys(body).find((name) => name in {} || name === 'prototype');
  if (inherited !== undefined) throw Refusal.field(inherited, 'There is no such field here.', 'unknown_field');
  return body;
}
