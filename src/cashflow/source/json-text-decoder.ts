import { malformed } from './source-fault.js';

const BACKSLASH = 0x5c;
const LETTER_U = 0x75;

/** What a backslash and this byte mean. */
const SHORT_ESCAPES = new Map(
  Object.entries({ '"': '"', '\\': '\\', '/': '/', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' }).map(
    ([escape, meant]) => [escape.charCodeAt(0), meant.charCodeAt(0)],
  ),
);

/** Digits after `\u`. */
const DIGITS = 4;

/** Bytes of a short escape, and of a long one. */
const ESCAPE_BYTES = { short: 2, long: 2 + DIGITS };

/**
 * Undoes the escapes of a JSON text, whose bytes come in parts of any size and without its quotes. What comes out is itself
 * JSON: half of a surrogate pair, which has no UTF-8, stays the escape that it was.
 */
export class JsonTextDecoder {
  /** An escape that has begun. */
  private pending = Buffer.alloc(0);
  /** The first half of a surrogate pair whose second half has not come. */
  private high: number | null = null;

  /** @throws SourceFault for an escape that JSON does not have */
  decode(bytes: Buffer): Buffer {
    const input = this.pending.length === 0 ? bytes : Buffer.concat([this.pending, bytes]);
    this.pending = Buffer.alloc(0);
    // No escape becomes longer, but a half that was kept back.
    const output = Buffer.allocUnsafe(input.length + ESCAPE_BYTES.long);
    let [at, end] = [0, 0];
    while (at < input.length) {
      const next = input.indexOf(BACKSLASH, at);
      const plainEnd = next === -1 ? input.length : next;
      if (plainEnd > at) end = this.flushHalf(output, end);
      end += input.copy(output, end, at, plainEnd);
      at = plainEnd;
      if (next === -1) break;
      const length = input[at + 1] === LETTER_U ? ESCAPE_BYTES.long : ESCAPE_BYTES.short;
      if (at + length > input.length) {
        this.pending = Buffer.from(input.subarray(at));
        break;
      }
      end = this.escape(input.subarray(at + 1, at + length), output, end);
      at += length;
    }
    return output.subarray(0, end);
  }

  /** The text is complete. @throws SourceFault if it ends within an escape */
  end(): Buffer {
    if (this.pending.length > 0) throw malformed('a text ends within an escape.');
    const output = Buffer.allocUnsafe(ESCAPE_BYTES.long);
    return output.subarray(0, this.flushHalf(output, 0));
  }

  private escape(escape: Buffer, output: Buffer, end: number): number {
    const [first = 0] = escape;
    if (first === LETTER_U) return this.unit(unitOf(escape.subarray(1)), output, end);
    const meant = SHORT_ESCAPES.get(first);
    if (meant === undefined) throw malformed('a text has an escape that JSON does not know.');
    const after = this.flushHalf(output, end);
    output[after] = meant;
    return after + 1;
  }

  private unit(unit: number, output: Buffer, end: number): number {
    const { high } = this;
    if (high !== null && isLow(unit)) {
      this.high = null;
      return end + output.write(String.fromCharCode(high, unit), end);
    }
    const after = this.flushHalf(output, end);
    if (isHigh(unit)) {
      this.high = unit;
      return after;
    }
    return after + output.write(isLow(unit) ? escapeOf(unit) : String.fromCharCode(unit), after);
  }

  private flushHalf(output: Buffer, end: number): number {
    if (this.high === null) return end;
    const text = escapeOf(this.high);
    this.high = null;
    return end + output.write(text, end);
  }
}

const isHigh = (unit: number) => unit >= 0xd800 && unit <= 0xdbff;
const isLow = (unit: number) => unit >= 0xdc00 && unit <= 0xdfff;
const escapeOf = (unit: number) => `\\u${unit.toString(16)}`;

function unitOf(digits: Buffer): number {
  const text = digits.toString('latin1');
  if (!/^[0-9a-fA-F]{4}$/.test(text)) throw malformed('a text has an escape that JSON does not know.');
  return Number.parseInt(text, 16);
}
