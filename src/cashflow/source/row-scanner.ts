import { malformed, SourceFault } from './source-fault.js';

const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;
const OPENING = new Set(Buffer.from('[{'));
const CLOSING = new Set(Buffer.from(']}'));
const WHITE_SPACE = new Set(Buffer.from(' \t\r\n'));

export const isWhiteSpace = (byte: number) => WHITE_SPACE.has(byte);

/**
 * Finds where one JSON value ends, in bytes that come in parts of any size. It counts brackets outside of texts and leaves it to
 * JSON.parse to say whether what lies between them is sound, so a value that is not can be told with its text.
 */
export class ValueScanner {
  private parts: Buffer[] = [];
  private bytes = 0;
  private depth = 0;
  private isText = false;
  private isEscaped = false;
  private isScalar = false;

  /** @param tooLong what is thrown for a value of more bytes than `maxBytes` */
  constructor(
    private readonly maxBytes: number,
    private readonly tooLong: () => SourceFault,
  ) {}

  /**
   * Goes on with `bytes` from `at`, where the value begins or goes on.
   * @returns the place after its last byte, or -1 if it goes on
   */
  scan(bytes: Buffer, at: number): number {
    const end = this.findEnd(bytes, at);
    const stop = end === -1 ? bytes.length : end;
    this.bytes += stop - at;
    if (this.bytes > this.maxBytes) throw this.tooLong();
    this.parts.push(bytes.subarray(at, stop));
    return end;
  }

  /** The bytes of the value that has ended; the next one may begin. */
  take(): Buffer {
    const [first = Buffer.alloc(0), ...others] = this.parts;
    const value = others.length === 0 ? first : Buffer.concat([first, ...others]);
    this.parts = [];
    this.bytes = 0;
    this.isScalar = false;
    return value;
  }

  private findEnd(bytes: Buffer, from: number): number {
    for (let at = from; at < bytes.length; at++) {
      const byte = bytes[at] as number;
      if (this.isText) {
        if (this.passText(byte) && this.depth === 0) return at + 1;
      } else if (byte === QUOTE && !this.isScalar) {
        this.isText = true;
      } else if (OPENING.has(byte) && !this.isScalar) {
        this.depth++;
      } else if (CLOSING.has(byte)) {
        if (this.depth === 0) return at;
        this.depth--;
        if (this.depth === 0) return at + 1;
      } else if (this.depth === 0) {
        if (byte === COMMA || isWhiteSpace(byte)) return at;
        this.isScalar = true;
      }
    }
    return -1;
  }

  /** @returns whether the text has ended */
  private passText(byte: number): boolean {
    if (this.isEscaped) this.isEscaped = false;
    else if (byte === BACKSLASH) this.isEscaped = true;
    else if (byte === QUOTE) this.isText = false;
    return !this.isText;
  }
}

const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;

/** Cuts the elements out of a JSON list whose bytes come in parts of any size. */
export class ListScanner {
  /** Whether the list has ended. */
  isOver = false;
  private expects: 'list' | 'element or end' | 'element' | 'rest of element' | 'comma or end' = 'list';
  private readonly element: ValueScanner;

  constructor(maxRowBytes: number) {
    this.element = new ValueScanner(
      maxRowBytes,
      () => new SourceFault('row_too_large', `A row has more than ${maxRowBytes} bytes.`, 'none'),
    );
  }

  /**
   * Goes on with `bytes` from `at`.
   * @returns the place after the end of the list, or the end of the bytes
   * @throws SourceFault
   */
  scan(bytes: Buffer, at: number, onRow: (row: Buffer) => void): number {
    let place = at;
    while (place < bytes.length && !this.isOver) {
      if (this.expects === 'rest of element') {
        const end = this.element.scan(bytes, place);
        if (end === -1) return bytes.length;
        place = end;
        onRow(this.element.take());
        this.expects = 'comma or end';
      } else if (isWhiteSpace(bytes[place] as number)) {
        place++;
      } else {
        place = this.between(bytes[place] as number, place);
      }
    }
    return place;
  }

  private between(byte: number, place: number): number {
    if (this.expects === 'list') {
      if (byte !== OPEN_LIST) throw malformed('there is something else than a list of rows.');
      this.expects = 'element or end';
    } else if (byte === CLOSE_LIST && this.expects !== 'element') {
      this.isOver = true;
    } else if (this.expects === 'comma or end') {
      if (byte !== COMMA) throw malformed('something else than a comma follows a row.');
      this.expects = 'element';
    } else {
      if (byte === COMMA || CLOSING.has(byte)) throw malformed('a row is missing.');
      this.expects = 'rest of element';
      return place;
    }
    return place + 1;
  }
}
