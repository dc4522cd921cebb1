import type { TokenFault, TokenScanner } from './token-scanner.js';
import { Utf8Character } from '../bytes/utf8.js';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const LOWER_U = 0x75;
const SHORT_ESCAPES = new Set(Buffer.from('"\\/bfnrt'));

/** 1 for bytes that stand for themselves wherever a character may begin. */
const PLAIN = new Uint8Array(256).map((_, byte) =>
  byte >= 0x20 && byte < 0x80 && byte !== QUOTE && byte !== BACKSLASH ? 1 : 0,
);

/** A JSON string by RFC 8259, section 7, from behind its opening quote; may be fed in parts. */
export class JsonStringScanner implements TokenScanner {
  isClosed = false;
  fault: TokenFault | null = null;
  private afterBackslash = false;
  private hexDigitsMissing = 0;
  private readonly character = new Utf8Character();
  /** Whether the next byte continues an escape or a multi-byte character. */
  private isInside = false;

  begin(): void {
    this.isClosed = false;
  }

  scan(bytes: Buffer, from: number): number {
    for (let i = from; i < bytes.length; i++) {
      const byte = bytes[i] as number;
      if (PLAIN[byte] === 1 && !this.isInside) {
        continue;
      }
      this.take(byte, i);
      if (this.isClosed) {
        return i + 1;
      }
      if (this.fault !== null) {
        return i;
      }
    }
    return bytes.length;
  }

  private take(byte: number, index: number): void {
    if (this.character.isOpen) {
      if (!this.character.accept(byte)) {
        this.refuseCharacter(index - this.character.taken);
      }
    } else if (this.afterBackslash || this.hexDigitsMissing > 0) {
      this.takeEscape(byte, index);
    } else if (byte === QUOTE) {
      this.isClosed = true;
    } else if (byte === BACKSLASH) {
      this.afterBackslash = true;
    } else if (byte < 0x20) {
      const detail = 'A control character inside a string is not escaped.';
      this.fault = { code: 'malformed_json', detail, index };
    } else if (!this.character.begin(byte)) {
      this.refuseCharacter(index);
    }
    this.isInside = this.afterBackslash || this.hexDigitsMissing > 0 || this.character.isOpen;
  }

  private takeEscape(byte: number, index: number): void {
    if (this.hexDigitsMissing > 0 && isHexDigit(byte)) {
      this.hexDigitsMissing--;
    } else if (this.afterBackslash && (byte === LOWER_U || SHORT_ESCAPES.has(byte))) {
      this.afterBackslash = false;
      this.hexDigitsMissing = byte === LOWER_U ? 4 : 0;
    } else {
      this.fault = { code: 'malformed_json', detail: 'A string holds an invalid escape sequence.', index };
    }
  }

  private refuseCharacter(index: number): void {
    this.fault = { code: 'invalid_utf8', detail: 'A string holds bytes that are not valid UTF-8.', index };
  }
}

function isHexDigit(byte: number): boolean {
  return (byte >= 0x30 && byte <= 0x39) || (byte >= 0x41 && byte <= 0x46) || (byte >= 0x61 && byte <= 0x66);
}
