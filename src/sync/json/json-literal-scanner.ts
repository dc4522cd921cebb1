import type { TokenFault, TokenScanner } from './token-scanner.js';

const WORDS = new Map(['true', 'false', 'null'].map((word) => [word.charCodeAt(0), word]));

/** One of the words true, false and null, from behind its first letter; may be fed in parts. */
export class JsonLiteralScanner implements TokenScanner {
  isClosed = false;
  fault: TokenFault | null = null;
  private word = '';
  private taken = 0;

  /** Whether a word begins with that byte. */
  static canBegin(first: number): boolean {
    return WORDS.has(first);
  }

  begin(first: number): void {
    this.isClosed = false;
    this.word = WORDS.get(first) ?? '';
    this.taken = 1;
  }

  scan(bytes: Buffer, from: number): number {
    for (let i = from; i < bytes.length; i++) {
      if (bytes[i] !== this.word.charCodeAt(this.taken)) {
        const detail = 'Expected a value but found a word other than true, false and null.';
        this.fault = { code: 'malformed_json', detail, index: i };
        return i;
      }
      this.taken++;
      if (this.taken === this.word.length) {
        this.isClosed = true;
        return i + 1;
      }
    }
    return bytes.length;
  }
}
