import type { FaultCode } from '../bytes/snapshot-fault.js';

/** A fault inside a token; `index` is in the scanned bytes, negative if the faulty character began before them. */
export interface TokenFault {
  code: FaultCode;
  detail: string;
  index: number;
}

/** Scans one JSON token or value that may lie across any number of parts. */
export interface TokenScanner {
  /** Whether its end has been found. */
  readonly isClosed: boolean;
  /** Final: a faulty scanner is not used again. */
  readonly fault: TokenFault | null;
  /** Scans from `from` to the end of the token, a fault or the last byte; returns the index of the first unused byte. */
  scan(bytes: Buffer, from: number): number;
}
