import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mustBeAnnounced } from '../../http/content-digest.js';
import { Refusal } from '../../http/refusal.js';
import { inspectStart } from '../bytes/first-byte.js';
import type { IncomingSnapshot } from './incoming-snapshot.js';
import { inflater } from '../snapshots/snapshot-store.js';

/** Inflated bytes among which a snapshot must begin: more white space than that is no snapshot. */
const HEAD_BYTES = 64 * 1024;

/** Judged bytes that are kept for the next look: as many as a byte order mark has. All others were white space. */
const KEPT_BYTES = 3;

/**
 * Looks at a body as it passes, without parsing it: counts and digests its bytes, proves that it inflates and stays
 * within the limit, and that it begins like a snapshot.
 */
export class BodyCheck {
  bytes = 0;
  inflatedBytes = 0;
  private readonly hash = createHash('sha256');
  private readonly inflation: Inflation | null;
  private head: Buffer | null = Buffer.alloc(0);

  constructor(
    private readonly incoming: IncomingSnapshot,
    private readonly maxBytes: number,
  ) {
    if ((incoming.contentLength ?? 0) > maxBytes) throw tooLarge(maxBytes);
    this.inflation = incoming.contentEncoding
      ? new Inflation(incoming.contentEncoding, (inflated) => this.see(inflated))
      : null;
  }

  /** @throws Refusal 400 or 413 */
  async pass(bytes: Buffer): Promise<void> {
    this.bytes += bytes.length;
    if (this.bytes > this.maxBytes) throw tooLarge(this.maxBytes);
    this.hash.update(bytes);
    if (this.inflation) await this.inflation.write(bytes);
    else this.see(bytes);
  }

  /**
   * The body is complete.
   * @returns its SHA-256 in hexadecimal
   * @throws Refusal 400 for a body that is cut short, is not what its digest says, or holds nothing
   */
  async end(): Promise<string> {
    await this.inflation?.end();
    if (this.head) this.judge(this.head, true);
    const digest = this.hash.digest();
    mustBeAnnounced(digest, this.incoming.digest);
    return digest.toString('hex');
  }

  /** Frees what the check holds, however the upload went. */
  close(): void {
    this.inflation?.close();
  }

  private see(inflated: Buffer): void {
    this.inflatedBytes += inflated.length;
    if (this.inflatedBytes > this.maxBytes) throw tooLarge(this.maxBytes);
    if (this.head === null) return;
    this.head = this.head.length === 0 ? inflated : Buffer.concat([this.head, inflated]);
    // Each byte is looked at once: a sender may send white space byte by byte.
    this.head = this.judge(this.head, this.inflatedBytes > HEAD_BYTES) ? null : this.head.subarray(0, KEPT_BYTES);
  }

  private judge(head: Buffer, ended: boolean): boolean {
    const verdict = inspectStart(this.incoming.format, head, ended);
    if (verdict.verdict === 'fault') throw new Refusal(400, verdict.code, verdict.detail);
    return verdict.verdict === 'ok';
  }
}

/** Inflates only to see that it can be done; what comes out is counted and dropped. */
class Inflation {
  private readonly stream;
  private written = 0;
  private failure: Error | null = null;

  constructor(
    private readonly encoding: string,
    see: (inflated: Buffer) => void,
  ) {
    this.stream = inflater(encoding);
    this.stream.on('error', (error: Error) => (this.failure ??= notInflatable(encoding, error)));
    this.stream.on('data', (inflated: Buffer) => {
      try {
        see(inflated);
      } catch (error) {
        // A bomb is not inflated any further than up to the limit.
        this.failure ??= error as Error;
        this.stream.destroy();
      }
    });
  }

  async write(bytes: Buffer): Promise<void> {
    if (this.failure) throw this.failure;
    this.written += bytes.length;
    if (!this.stream.write(bytes)) await this.settle('drain');
    if (this.failure) throw this.failure;
  }

  async end(): Promise<void> {
    this.stream.end();
    if (!this.failure && !this.stream.readableEnded) await this.settle('end');
    if (this.failure) throw this.failure;
    // Node's inflaters pass over what follows the end of the compressed data in silence.
    if (this.stream.bytesWritten !== this.written) throw notInflatable(this.encoding);
  }

  close(): void {
    this.stream.destroy();
  }

  private async settle(event: 'drain' | 'end'): Promise<void> {
    if (this.stream.destroyed) return;
    const waiting = new AbortController();
    const { signal } = waiting;
    const either = [once(this.stream, event, { signal }), once(this.stream, 'close', { signal })];
    await Promise.race(either).catch(() => undefined);
    // The one that has not come must not listen any longer.
    waiting.abort();
  }
}

function notInflatable(encoding: string, error?: Error): Error {
  if (error instanceof Refusal) return error;
  const detail = `The body is not valid ${encoding}, is cut short, or continues after its end.`;
  return new Refusal(400, 'not_inflatable', detail);
}

function tooLarge(maxBytes: number): Refusal {
  return new Refusal(413, 'body_too_large', `A snapshot may have at most ${maxBytes} bytes after decompression.`);
}
