import type { TokenFault, TokenScanner } from './token-scanner.js';

const MINUS = 0x2d;
const PLUS = 0x2b;
const DOT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const LOWER_E = 0x65;
const UPPER_E = 0x45;

type Part = 'minus' | 'zero' | 'integer' | 'dot' | 'fraction' | 'e' | 'sign' | 'exponent';

/** A JSON number by RFC 8259, section 6, from behind its first byte; may be fed in parts. */
export class JsonNumberScanner implements TokenScanner {
  /** Set once a byte was met that is no part of the number. */
  isClosed = false;
  fault: TokenFault | null = null;
  private part: Part = 'zero';

  /** Whether the number could end here. */
  get isComplete(): boolean {
    return this.part === 'zero' || this.part === 'integer' || this.part === 'fraction' || this.part === 'exponent';
  }

  /** `first` is a minus or a digit. */
  begin(first: number): void {
    this.isClosed = false;
    this.part = first === MINUS ? 'minus' : first === ZERO ? 'zero' : 'integer';
  }

  scan(bytes: Buffer, from: number): number {
    for (let i = from; i < bytes.length; i++) {
      const next = partAfter(this.part, bytes[i] as number);
      if (next === 'leading zero' || (next === null && !this.isComplete)) {
        const detail = next === null ? 'A number lacks a digit.' : 'A number has a leading zero.';
        this.fault = { code: 'malformed_json', detail, index: i };
        return i;
      }
      if (next === null) {
        this.isClosed = true;
        return i;
      }
      this.part = next;
    }
    return bytes.length;
  }
}

function partAfter(part: Part, byte: number): Part | 'leading zero' | null {
  if (byte >= ZERO && byte <= NINE) {
    return partAfterDigit(part, byte);
  }
  if (byte === DOT) {
    return part === 'zero' || part === 'integer' ? 'dot' : null;
  }
  if (byte === LOWER_E || byte === UPPER_E) {
    return part === 'zero' || part === 'integer' || part === 'fraction' ? 'e' : null;
  }
  return (byte === PLUS || byte === MINUS) && part === 'e' ? 'sign' : null;
}

function partAfterDigit(part: Part, byte: number): Part | 'leading zero' {
  switch (part) {
    case 'minus':
      return byte === ZERO ? 'zero' : 'integer';
    case 'zero':
      return 'leading zero';
    case 'dot':
      return 'fraction';
    case 'e':
    case 'sign':
      return 'exponent';
    default:
      return part;
  }
}
