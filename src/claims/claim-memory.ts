import type { Request } from 'express';
import { Refusal } from '../http/refusal.js';

/** How long a request waits for memory: bursts of large claims pass in that time. */
const MAX_WAIT_MS = 5_000;

/** A sender is not interrupted earlier: in that time 5 MiB arrive at 20 Mbit/s. */
const UNDISTURBED_MS = 2_000;

/** How often senders are interrupted and waiting requests refused, while requests wait. */
const CHECK_EVERY_MS = 200;

/** A usual claim has a few kB. Claims up to this size have memory of their own besides, so that large ones do not hold them up. */
const SMALL_BYTES = 64 * 1024;

/** What only small claims may use, beyond the limits: 64 of them in all, and 16 of one source. */
const FOR_SMALL = { bytes: 64 * SMALL_BYTES, bytesOfSource: 16 * SMALL_BYTES };

/** The most that all callers may hold together, and those of one source. A body must fit into each of them. */
export interface MemoryLimits {
  bytes: number;
  bytesOfSource: number;
}

/** What one request holds. */
export interface HeldMemory {
  readonly source: string;
  bytes: number;
}

/** A request that waits for memory. */
interface Waiting {
  source: string;
  bytes: number;
  until: number;
  /** Ends the wait: with the memory, or with a refusal. */
  end: (refusal?: Refusal) => void;
}

/** A caller that holds memory while its body arrives. */
interface Sender {
  held: HeldMemory;
  since: number;
  receivedBytes: () => number;
  interruption: AbortController;
}

/**
 * Limits the memory that requests hold together, and those of one source. A request for which there is none waits, unread;
 * later ones that fit may pass it. While requests wait, the slowest senders are interrupted to make room, so that a sender
 * cannot hold the others up by sending slowly.
 */
export class ClaimMemory {
  private heldBytes = 0;
  private readonly heldBySource = new Map<string, number>();
  private readonly waiting = new Set<Waiting>();
  private readonly senders = new Set<Sender>();
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly limits: MemoryLimits) {}

  /**
   * Does work that needs so many bytes of memory, once they are free.
   * @throws Refusal 429 if the source, or 503 if all callers together, hold what they may for longer than a request waits
   */
  async hold<T>(
    { request, source, bytes }: { request: Request; source: string; bytes: number },
    work: (held: HeldMemory) => Promise<T>,
  ): Promise<T> {
    const held: HeldMemory = { source, bytes: 0 };
    await this.take(request, held, bytes);
    try {
      return await work(held);
    } finally {
      this.giveBack(held, held.bytes);
    }
  }

  /**
   * Changes how much a request holds. For more it gives back all first: two that held some and waited for the rest could
   * wait for each other. @throws Refusal 429 or 503
   */
  async change(request: Request, held: HeldMemory, bytes: number): Promise<void> {
    if (bytes <= held.bytes) return this.giveBack(held, held.bytes - bytes);
    this.giveBack(held, held.bytes);
    await this.take(request, held, bytes);
  }

  /** Receives the body of a request that holds memory. The signal is aborted, with a refusal, if the sender must make room. */
  async whileReceiving<T>(
    { socket }: Request,
    held: HeldMemory,
    receive: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const before = socket.bytesRead;
    const sender: Sender = {
      held,
      since: performance.now(),
      receivedBytes: () => socket.bytesRead - before,
      interruption: new AbortController(),
    };
    this.senders.add(sender);
    try {
      return await receive(sender.interruption.signal);
    } finally {
      this.senders.delete(sender);
    }
  }

  private async take(request: Request, held: HeldMemory, bytes: number): Promise<void> {
    if (!this.fits(held.source, bytes)) await this.wait(request, held.source, bytes);
    else this.count(held.source, bytes);
    held.bytes = bytes;
  }

  /** The memory is counted at the moment in which the wait ends. */
  private wait({ socket }: Request, source: string, bytes: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const disconnected = () => waiting.end(this.busy(waiting));
      const end = (refusal?: Refusal) => {
        this.waiting.delete(waiting);
        socket.off('close', disconnected);
        if (refusal) return reject(refusal);
        this.count(source, bytes);
        resolve();
      };
      const waiting: Waiting = { source, bytes, until: performance.now() + MAX_WAIT_MS, end };
      // Of the socket: a request closes as soon as its body is read.
      socket.once('close', disconnected);
      this.waiting.add(waiting);
      this.timer ??= setInterval(() => this.shortenWaits(), CHECK_EVERY_MS).unref();
    });
  }

  private giveBack(held: HeldMemory, bytes: number): void {
    held.bytes -= bytes;
    this.count(held.source, -bytes);
    for (const { source, bytes: needed, end } of this.waiting) if (this.fits(source, needed)) end();
  }

  private count(source: string, bytes: number): void {
    this.heldBytes += bytes;
    const ofSource = (this.heldBySource.get(source) ?? 0) + bytes;
    if (ofSource > 0) this.heldBySource.set(source, ofSource);
    else this.heldBySource.delete(source);
  }

  private fits(source: string, bytes: number): boolean {
    const extra = bytes <= SMALL_BYTES ? FOR_SMALL.bytes : 0;
    return this.fitsSource(source, bytes) && this.heldBytes + bytes <= this.limits.bytes + extra;
  }

  private fitsSource(source: string, bytes: number): boolean {
    const extra = bytes <= SMALL_BYTES ? FOR_SMALL.bytesOfSource : 0;
    return (this.heldBySource.get(source) ?? 0) + bytes <= this.limits.bytesOfSource + extra;
  }

  /** Refuses what has waited for too long, and makes room for the first of the rest for which there are slow senders. */
  private shortenWaits(): void {
    const now = performance.now();
    for (const waiting of this.waiting) if (waiting.until <= now) waiting.end(this.busy(waiting));
    for (const waiting of this.waiting) if (this.makeRoom(waiting, now)) break;
    if (this.waiting.size > 0) return;
    clearInterval(this.timer);
    this.timer = undefined;
  }

  /** Interrupts the slowest senders until what they held is enough. What they held is free once their work has ended. */
  private makeRoom({ source, bytes }: Waiting, now: number): boolean {
    const isAnySource = this.fitsSource(source, bytes);
    const speed = ({ since, receivedBytes }: Sender) => receivedBytes() / (now - since);
    const slowest = Array.from(this.senders)
      .filter(({ held, since }) => now - since >= UNDISTURBED_MS && (isAnySource || held.source === source))
      .toSorted((one, other) => speed(one) - speed(other));
    let freed = 0;
    for (const sender of slowest) {
      if (freed >= bytes) break;
      freed += sender.held.bytes;
      this.senders.delete(sender);
      sender.interruption.abort(interrupted());
    }
    return freed > 0;
  }

  private busy({ source, bytes }: Waiting): Refusal {
    if (this.fitsSource(source, bytes)) {
      return new Refusal(
        503,
        'busy',
        'Too many claims arrive at the moment. Nothing of this one was kept.',
        RETRY_SOON,
      );
    }
    const detail = 'Claims of this source that arrive or are being stored take all the memory that it may use.';
    return new Refusal(429, 'too_many_claims', detail, RETRY_SOON);
  }
}

const RETRY_SOON = { headers: { 'Retry-After': '1' } };

/** The rest of the body is not read. */
function interrupted(): Refusal {
  const detail = 'The body arrived slowly while others waited for memory. Nothing of it was kept.';
  return new Refusal(503, 'busy', detail, { headers: { 'Retry-After': '5', Connection: 'close' } });
}
