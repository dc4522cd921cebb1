import type { ByteFault } from '../bytes/byte-window.js';
import { EMPTY_DETAIL, WRONG_START_DETAIL } from '../bytes/first-byte.js';
import { JsonValueScanner } from './json-value-scanner.js';
import { nameByte } from './name-byte.js';
import type { ReadLimits } from '../bytes/read-limits.js';
import type { FaultCode } from '../bytes/snapshot-fault.js';

const COMMA = 0x2c;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf];
const MARK_BYTES = BYTE_ORDER_MARK.length;

/** What may come next outside a record. */
type Expectation = 'start' | 'rest of mark' | 'record or end' | 'record' | 'comma or end' | 'nothing';

/**
 * Checks JSON byte by byte, exactly by RFC 8259, and finds where records begin and end. It may be fed in parts of any
 * size, never looks at a byte twice, and faults come out in the order of their bytes. A `document` is an array of
 * records or one object, with or without a byte order mark; a `line` is one value of any kind. It is slower than
 * JSON.parse, but knows where a text may be cut and where it went wrong.
 */
export class JsonScanner {
  /** Records completed. */
  records = 0;
  /** Where the record begins that is being scanned, null between records. All places are offsets in the body. */
  recordStart: number | null = null;
  /** Bounds of the records that the last `scan` completed, -1 if it completed none. */
  completedStart = -1;
  completedEnd = -1;
  private expects: Expectation;
  private isList = false;
  private fault: ByteFault | null = null;
  private readonly value: JsonValueScanner;

  constructor(
    private readonly limits: ReadLimits,
    private readonly kind: 'document' | 'line',
    /** The next byte to look at. */
    public position = 0,
  ) {
    this.expects = kind === 'document' ? 'start' : 'record';
    this.value = new JsonValueScanner(limits.maxDepth);
  }

  /** Whether the next byte lies in the array of records, but in none of them. */
  get isBetweenRecords(): boolean {
    return this.isList && this.recordStart === null && this.expects !== 'nothing';
  }

  /** Whether the next record must be set off by a comma. */
  get needsComma(): boolean {
    return this.expects === 'comma or end';
  }

  /** Takes it as proven that `records` whole records lie between here and `position`; only allowed between records. */
  skipTo(position: number, records: number): void {
    this.position = position;
    this.records += records;
    this.expects = 'comma or end';
  }

  /** Scans `bytes`, which begin at `base`, from `position` on: to their end, or to the first place between records. */
  scan(bytes: Buffer, base: number, untilBetweenRecords = false): ByteFault | null {
    this.completedStart = -1;
    this.completedEnd = -1;
    let index = this.position - base;
    while (index < bytes.length && this.fault === null && !(untilBetweenRecords && this.isBetweenRecords)) {
      index = this.recordStart === null ? this.scanBetween(bytes, base, index) : this.scanRecord(bytes, base, index);
    }
    this.position = base + index;
    const examined = this.position + (this.fault === null ? 0 : 1);
    if (this.recordStart !== null && examined - this.recordStart > this.limits.maxRecordBytes) {
      this.refuseSize(this.recordStart);
    }
    return this.fault;
  }

  /** Says that the input ends at `position`, all of it sound so far; null if that is where it may end. */
  end(): ByteFault | null {
    if (this.kind === 'line' && this.recordStart !== null) {
      this.value.end();
      this.finishRecord(this.recordStart, this.position);
    }
    if (this.expects === 'rest of mark') {
      this.refuseStart('wrong_first_byte', 0);
    } else if (this.expects === 'start' && this.recordStart === null) {
      this.refuseStart('empty', this.position);
    } else if (this.expects !== 'nothing') {
      this.refuse('truncated', 'The input ends in the middle of the document.', this.position);
    }
    return this.fault;
  }

  private scanRecord(bytes: Buffer, base: number, from: number): number {
    const index = this.value.scan(bytes, from);
    if (this.value.fault !== null) {
      this.refuse(this.value.fault.code, this.value.fault.detail, base + this.value.fault.index);
    } else {
      this.finishRecord(this.recordStart as number, base + index);
    }
    return index;
  }

  private scanBetween(bytes: Buffer, base: number, from: number): number {
    for (let i = from; i < bytes.length; i++) {
      const byte = bytes[i] as number;
      if ((byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) || this.expects === 'rest of mark') {
        this.meet(byte, base + i);
        // A record is scanned from its first byte on, which therefore stays unused.
        return this.fault === null && this.recordStart === null ? i + 1 : i;
      }
    }
    return bytes.length;
  }

  private meet(byte: number, at: number): void {
    switch (this.expects) {
      case 'start':
      case 'rest of mark':
        return this.meetStart(byte, at);
      case 'record or end':
        return byte === CLOSE_BRACKET ? this.expect('nothing') : this.beginRecord(at);
      case 'record':
        return this.beginRecord(at);
      case 'comma or end':
        if (byte === COMMA) {
          return this.expect('record');
        }
        return byte === CLOSE_BRACKET
          ? this.expect('nothing')
          : this.refuse('malformed_json', `Expected a comma or ] but found ${nameByte(byte)}.`, at);
      case 'nothing':
        return this.kind === 'document'
          ? this.refuse('trailing_data', 'Something follows the end of the document.', at)
          : this.refuse('malformed_json', 'Something follows the value on its line.', at);
    }
  }

  private meetStart(byte: number, at: number): void {
    if (byte === BYTE_ORDER_MARK[at] && (at === 0 || this.expects === 'rest of mark')) {
      this.expect(at + 1 < MARK_BYTES ? 'rest of mark' : 'start');
    } else if (this.expects === 'start' && byte === OPEN_BRACKET) {
      this.isList = true;
      this.expect('record or end');
    } else if (this.expects === 'start' && byte === OPEN_BRACE) {
      this.beginRecord(at);
    } else {
      this.refuseStart('wrong_first_byte', this.expects === 'start' ? at : 0);
    }
  }

  private expect(expectation: Expectation): void {
    this.expects = expectation;
  }

  private beginRecord(at: number): void {
    this.recordStart = at;
    this.value.begin();
  }

  private finishRecord(start: number, end: number): void {
    if (!this.value.isClosed) {
      return;
    }
    if (end - start > this.limits.maxRecordBytes) {
      return this.refuseSize(start);
    }
    this.completedStart = this.completedStart === -1 ? start : this.completedStart;
    this.completedEnd = end;
    this.records++;
    this.recordStart = null;
    this.expects = this.isList ? 'comma or end' : 'nothing';
  }

  private refuseSize(start: number): void {
    const detail = `A record is larger than ${this.limits.maxRecordBytes} bytes.`;
    this.refuse('record_too_large', detail, start + this.limits.maxRecordBytes);
  }

  private refuseStart(code: 'empty' | 'wrong_first_byte', at: number): void {
    const detail = code === 'empty' ? EMPTY_DETAIL : WRONG_START_DETAIL.json;
    this.refuse(code, detail, at);
  }

  private refuse(code: FaultCode, detail: string, at: number): void {
    const isInList = this.isList && this.expects !== 'nothing';
    this.fault = { code, detail, at, record: isInList || this.recordStart !== null ? this.records : null };
  }
}
