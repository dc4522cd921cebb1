import type { IncomingMessage } from 'node:http';
import { Refusal } from './refusal.js';

/**
 * The SHA-256 of the body in base64, as the sender computed it over the bytes that it sends, or null: the sha-256 member
 * of a `Content-Digest` (RFC 9530, a dictionary of RFC 8941 byte sequences). Others are ignored.
 * @throws Refusal 400 for a header that is no such dictionary
 */
export function announcedDigest({ headers }: IncomingMessage): string | null {
  const header = headers['content-digest'];
  if (header === undefined) return null;
  const members = String(header)
    .split(',')
    .map((member) => /^\s*([a-z0-9-]+)=:([A-Za-z0-9+/]*={0,2}):\s*$/.exec(member));
  if (members.some((member) => member === null)) {
    throw Refusal.parameter('Content-Digest', 'Content-Digest must look like sha-256=:base64:.', 'malformed_digest');
  }
  return members.find((member) => member?.[1] === 'sha-256')?.[2] ?? null;
}

/** @throws Refusal 400 if the digest of a body is not the announced one */
export function mustBeAnnounced(digest: Buffer, announced: string | null): void {
  if (announced === null || announced === digest.toString('base64')) return;
  const detail = 'The body is not the one that Content-Digest describes.';
  throw Refusal.parameter('Content-Digest', detail, 'digest_mismatch');
}
