import { JsonTextDecoder } from './json-text-decoder.js';
import { isWhiteSpace, ListScanner, ValueScanner } from './row-scanner.js';
import { malformed } from './source-fault.js';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_LIST = 0x5b;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/** Names of fields, and the values beside the rows, such as a cursor. */
const MAX_VALUE_BYTES = 16 * 1024;

type Expectation =
  | 'document'
  | 'name or end'
  | 'name'
  | 'rest of name'
  | 'colon'
  | 'value'
  | 'rest of value'
  | 'rows'
  | 'text of rows'
  | 'comma or end';

/**
 * Cuts the rows out of an answer whose bytes come in parts of any size: a list, or any number of objects one after the other, of
 * which one field holds rows, as a list or as the text of one. No more than one row is kept; what is not a row is bounded, too.
 */
export class AnswerReader {
  /** The values beside the rows, as the last object has them. */
  readonly told = new Map<string, unknown>();
  private expects: Expectation = 'document';
  private hasRows = false;
  private name = '';
  private list: ListScanner | null = null;
  private decoder: JsonTextDecoder | null = null;
  private isEscaped = false;
  private readonly value = new ValueScanner(MAX_VALUE_BYTES, () => malformed('a value beside the rows is very long.'));

  /** @param rowsField the field that holds the rows; null: the answer is a list */
  constructor(
    private readonly rowsField: string | null,
    private readonly maxRowBytes: number,
    private readonly onRow: (row: Buffer) => void,
  ) {}

  /** @throws SourceFault */
  read(bytes: Buffer): void {
    let at = 0;
    while (at < bytes.length) at = this.step(bytes, at);
  }

  /** The answer is complete. @throws SourceFault if it is not, or had no rows, not even an empty list of them */
  end(): void {
    if (this.expects !== 'document') throw malformed('it ends too early.');
    if (!this.hasRows) throw malformed('it has no list of rows.');
  }

  private step(bytes: Buffer, at: number): number {
    switch (this.expects) {
      case 'rows':
        return this.readRows(bytes, at);
      case 'text of rows':
        return this.readText(bytes, at);
      case 'rest of name':
      case 'rest of value':
        return this.readValue(bytes, at);
      default:
        return isWhiteSpace(bytes[at] as number) ? at + 1 : this.between(bytes[at] as number, at);
    }
  }

  private between(byte: number, at: number): number {
    switch (this.expects) {
      case 'document':
        return this.beginDocument(byte, at);
      case 'colon':
        if (byte !== COLON) throw malformed('something else than a colon follows a name.');
        this.expects = 'value';
        return at + 1;
      case 'value':
        return this.beginValue(byte, at);
      case 'comma or end':
        if (byte !== COMMA && byte !== CLOSE_OBJECT) throw malformed('something else than a comma follows a value.');
        this.expects = byte === COMMA ? 'name' : 'document';
        return at + 1;
      default:
        return this.beginName(byte, at);
    }
  }

  private beginDocument(byte: number, at: number): number {
    if (this.rowsField === null) {
      if (byte !== OPEN_LIST || this.hasRows) throw malformed('it is not one list.');
      this.beginRows();
      return at;
    }
    if (byte !== OPEN_OBJECT) throw malformed('it is not an object.');
    this.expects = 'name or end';
    return at + 1;
  }

  private beginName(byte: number, at: number): number {
    if (byte === CLOSE_OBJECT && this.expects === 'name or end') {
      this.expects = 'document';
      return at + 1;
    }
    if (byte !== QUOTE) throw malformed('a name is missing.');
    this.expects = 'rest of name';
    return at;
  }

  private beginValue(byte: number, at: number): number {
    const holdsRows = this.name === this.rowsField;
    if (holdsRows && byte === OPEN_LIST) {
      this.beginRows();
      return at;
    }
    if (holdsRows && byte === QUOTE) {
      this.beginRows();
      this.decoder = new JsonTextDecoder();
      this.expects = 'text of rows';
      return at + 1;
    }
    if (holdsRows) throw malformed('its rows are no list.');
    if (byte === COMMA || byte === CLOSE_OBJECT) throw malformed('a value is missing.');
    this.expects = 'rest of value';
    return at;
  }

  private beginRows(): void {
    this.hasRows = true;
    this.list = new ListScanner(this.maxRowBytes);
    this.expects = 'rows';
  }

  private readRows(bytes: Buffer, at: number): number {
    const list = this.list as ListScanner;
    const end = list.scan(bytes, at, this.onRow);
    if (list.isOver) this.expects = this.rowsField === null ? 'document' : 'comma or end';
    return end;
  }

  /** The text ends with the first quote that no backslash stands before. */
  private readText(bytes: Buffer, at: number): number {
    let end = at;
    while (end < bytes.length && (this.isEscaped || bytes[end] !== QUOTE)) {
      this.isEscaped = !this.isEscaped && bytes[end] === BACKSLASH;
      end++;
    }
    const decoder = this.decoder as JsonTextDecoder;
    this.readDecoded(decoder.decode(bytes.subarray(at, end)));
    if (end === bytes.length) return end;
    this.readDecoded(decoder.end());
    if (!this.list?.isOver) throw malformed('a text of rows is no list.');
    this.expects = 'comma or end';
    return end + 1;
  }

  private readDecoded(decoded: Buffer): void {
    const list = this.list as ListScanner;
    const end = list.scan(decoded, 0, this.onRow);
    if (decoded.subarray(end).some((byte) => !isWhiteSpace(byte))) throw malformed('something follows a list of rows.');
  }

  private readValue(bytes: Buffer, at: number): number {
    const end = this.value.scan(bytes, at);
    if (end === -1) return bytes.length;
    const value = parse(this.value.take());
    if (this.expects === 'rest of name') {
      this.name = String(value);
      this.expects = 'colon';
    } else {
      this.told.set(this.name, value);
      this.expects = 'comma or end';
    }
    return end;
  }
}

function parse(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString()) as unknown;
  } catch {
    throw malformed('a value beside the rows is not JSON.');
  }
}
