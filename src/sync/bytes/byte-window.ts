import { type FaultCode, SnapshotFault } from './snapshot-fault.js';

const LF = 0x0a;

/** What is wrong, and at which byte of the whole body. */
export interface ByteFault {
  code: FaultCode;
  detail: string;
  at: number;
  record: number | null;
}

/**
 * The part of the body that is still needed: bytes are appended behind and dropped in front. Keeps count of the lines
 * that were dropped, so that a fault inside the window can be told by line and offset. It never shrinks, and its user
 * bounds it by dropping (a record and two pieces at most).
 */
export class ByteWindow {
  /** The kept bytes. Valid until the next `append`. */
  bytes: Buffer = Buffer.alloc(0);
  /** Offset of the first kept byte in the body. */
  offset = 0;
  private line = 1;
  private store: Buffer = Buffer.alloc(0);
  private start = 0;

  /** Offset of the byte behind the last kept one: how much of the body has been seen. */
  get end(): number {
    return this.offset + this.bytes.length;
  }

  append(piece: Buffer): void {
    const kept = this.bytes.length;
    if (this.start + kept + piece.length > this.store.length) {
      const needed = kept + piece.length;
      const store = needed > this.store.length ? Buffer.allocUnsafeSlow(2 * needed) : this.store;
      this.bytes.copy(store, 0);
      this.store = store;
      this.start = 0;
    }
    piece.copy(this.store, this.start + kept);
    this.bytes = this.store.subarray(this.start, this.start + kept + piece.length);
  }

  /** Forgets everything before `offset` of the body. */
  dropUntil(offset: number): void {
    const count = offset - this.offset;
    this.line += countLineFeeds(this.bytes, count);
    this.start += count;
    this.offset = offset;
    this.bytes = this.bytes.subarray(count);
  }

  /** The fault with its line. It must lie inside the window or right behind it. */
  fault({ code, detail, at, record }: ByteFault): SnapshotFault {
    const line = this.line + countLineFeeds(this.bytes, at - this.offset);
    return new SnapshotFault(code, detail, { line, byteOffset: at, record });
  }
}

function countLineFeeds(bytes: Buffer, end: number): number {
  const first = bytes.indexOf(LF);
  if (first === -1) {
    return 0; // One native search spares compact JSON, the usual case, the loop below (about 1 ns a byte).
  }
  let count = 0;
  for (let i = first; i < end; i++) {
    if (bytes[i] === LF) {
      count++;
    }
  }
  return count;
}
