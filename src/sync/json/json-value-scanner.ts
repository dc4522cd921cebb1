import { JsonLiteralScanner } from './json-literal-scanner.js';
import { JsonNumberScanner } from './json-number-scanner.js';
import { JsonStringScanner } from './json-string-scanner.js';
import { nameByte } from './name-byte.js';
import type { TokenFault, TokenScanner } from './token-scanner.js';

const QUOTE = 0x22;
const COMMA = 0x2c;
const MINUS = 0x2d;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/** What may come next outside a token, in the words of the fault if something else does. */
type Expectation =
  | 'a value'
  | 'a value or ]'
  | 'a field name in double quotes'
  | 'a field name in double quotes or }'
  | 'a colon'
  | 'a comma or ]'
  | 'a comma or }';

/** Any JSON value by RFC 8259, however nested, from its first byte on; without recursion, and down to a limit only. */
export class JsonValueScanner implements TokenScanner {
  isClosed = true;
  fault: TokenFault | null = null;
  private expects: Expectation = 'a value';
  private token: TokenScanner | null = null;
  private isFieldName = false;
  private depth = 0;
  /** Of each open level: 1 for an object, 0 for an array. */
  private readonly isObject: Uint8Array;
  private readonly string = new JsonStringScanner();
  private readonly number = new JsonNumberScanner();
  private readonly literal = new JsonLiteralScanner();

  constructor(private readonly maxDepth: number) {
    this.isObject = new Uint8Array(maxDepth + 1);
  }

  begin(): void {
    this.isClosed = false;
    this.expects = 'a value';
  }

  scan(bytes: Buffer, from: number): number {
    let index = from;
    while (index < bytes.length && !this.isClosed && this.fault === null) {
      index = this.token === null ? this.scanStructure(bytes, index) : this.scanToken(this.token, bytes, index);
    }
    return index;
  }

  /** Says that the input ends here; only a number by itself is complete by that. */
  end(): void {
    if (this.depth === 0 && this.token === this.number && this.number.isComplete) {
      this.finish();
    }
  }

  private scanStructure(bytes: Buffer, from: number): number {
    for (let i = from; i < bytes.length; i++) {
      const byte = bytes[i] as number;
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) {
        this.meet(byte, i);
        return this.fault === null ? i + 1 : i;
      }
    }
    return bytes.length;
  }

  private scanToken(token: TokenScanner, bytes: Buffer, from: number): number {
    const index = token.scan(bytes, from);
    if (token.fault !== null) {
      this.fault = token.fault;
    } else if (token.isClosed && this.isFieldName) {
      this.token = null;
      this.isFieldName = false;
      this.expects = 'a colon';
    } else if (token.isClosed) {
      this.finish();
    }
    return index;
  }

  /** Takes a byte that is neither white space nor inside a token. */
  private meet(byte: number, index: number): void {
    switch (this.expects) {
      case 'a value or ]':
        return byte === CLOSE_BRACKET ? this.close() : this.beginValue(byte, index);
      case 'a value':
        return this.beginValue(byte, index);
      case 'a field name in double quotes or }':
        return byte === CLOSE_BRACE ? this.close() : this.beginFieldName(byte, index);
      case 'a field name in double quotes':
        return this.beginFieldName(byte, index);
      case 'a colon':
        return byte === COLON ? this.expect('a value') : this.refuse(byte, index);
      case 'a comma or ]':
        if (byte === COMMA) {
          return this.expect('a value');
        }
        return byte === CLOSE_BRACKET ? this.close() : this.refuse(byte, index);
      case 'a comma or }':
        if (byte === COMMA) {
          return this.expect('a field name in double quotes');
        }
        return byte === CLOSE_BRACE ? this.close() : this.refuse(byte, index);
    }
  }

  private expect(expectation: Expectation): void {
    this.expects = expectation;
  }

  private beginFieldName(byte: number, index: number): void {
    if (byte !== QUOTE) {
      return this.refuse(byte, index);
    }
    this.isFieldName = true;
    this.token = this.string;
    this.string.begin();
  }

  private beginValue(byte: number, index: number): void {
    if (byte === QUOTE) {
      this.token = this.string;
      this.string.begin();
    } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      this.open(byte, index);
    } else if (byte === MINUS || (byte >= 0x30 && byte <= 0x39)) {
      this.token = this.number;
      this.number.begin(byte);
    } else if (JsonLiteralScanner.canBegin(byte)) {
      this.token = this.literal;
      this.literal.begin(byte);
    } else {
      this.refuse(byte, index);
    }
  }

  private open(byte: number, index: number): void {
    if (this.depth === this.maxDepth) {
      this.fault = { code: 'nesting_too_deep', detail: `A record nests deeper than ${this.maxDepth} levels.`, index };
      return;
    }
    this.depth++;
    this.isObject[this.depth] = byte === OPEN_BRACE ? 1 : 0;
    this.expects = byte === OPEN_BRACE ? 'a field name in double quotes or }' : 'a value or ]';
  }

  private close(): void {
    this.depth--;
    this.finish();
  }

  /** A value ends: the whole one, or one inside an array or object. */
  private finish(): void {
    this.token = null;
    if (this.depth === 0) {
      this.isClosed = true;
    } else {
      this.expects = this.isObject[this.depth] === 1 ? 'a comma or }' : 'a comma or ]';
    }
  }

  private refuse(byte: number, index: number): void {
    this.fault = { code: 'malformed_json', detail: `Expected ${this.expects} but found ${nameByte(byte)}.`, index };
  }
}
