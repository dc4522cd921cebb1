import { isUtf8 } from 'node:buffer';
import { type ByteFault, ByteWindow } from '../bytes/byte-window.js';
import { parseExact } from '../../values/exact-json.js';
import { EMPTY_DETAIL } from '../bytes/first-byte.js';
import { isAnyDeeperThan } from '../json/json-depth.js';
import { JsonScanner } from '../json/json-scanner.js';
import type { ReadLimits } from '../bytes/read-limits.js';
import type { RecordBatch } from './record-batch.js';

const LF = 0x0a;
const BYTE_ORDER_MARK = Buffer.from('\ufeff');
// White space as JSON knows it: a line of anything else is not blank but malformed. A CR before the LF is part of it.
const BLANK = /^[ \t\r]*$/;

/**
 * Reads an NDJSON snapshot, one JSON value on each line, from `pieces` of its bytes. Lines end in LF or CRLF, the last
 * one may end with the input; blank ones are skipped. The limit of a record's bytes is that of its line.
 */
export async function* readNdjson(pieces: AsyncIterable<Buffer>, limits: ReadLimits): AsyncGenerator<RecordBatch> {
  const reader = new NdjsonReader(limits);
  for await (const piece of pieces) {
    yield* reader.read(piece);
  }
  yield* reader.end();
}

class NdjsonReader {
  private readonly window = new ByteWindow();
  private records = 0;
  private isStarted = false;

  constructor(private readonly limits: ReadLimits) {}

  *read(piece: Buffer): Generator<RecordBatch> {
    this.window.append(piece);
    // Looked for in the new piece only, as an unfinished line in front of it has none.
    const lastEnd = piece.lastIndexOf(LF);
    if (lastEnd !== -1 || this.isStarted || this.window.bytes.length >= BYTE_ORDER_MARK.length) {
      this.skipMark();
    }
    if (lastEnd !== -1) {
      yield* this.readLines(this.window.bytes.length - piece.length + lastEnd + 1);
    }
    if (this.window.bytes.length > this.limits.maxRecordBytes + 1) {
      this.refuseLines(); // More than a whole line and its CR, and still no end.
    }
  }

  *end(): Generator<RecordBatch> {
    this.skipMark();
    yield* this.readLines(this.window.bytes.length);
    if (this.records === 0) {
      throw this.window.fault({ code: 'empty', detail: EMPTY_DETAIL, at: this.window.end, record: null });
    }
  }

  private skipMark(): void {
    if (!this.isStarted && this.window.bytes.subarray(0, BYTE_ORDER_MARK.length).equals(BYTE_ORDER_MARK)) {
      this.window.dropUntil(BYTE_ORDER_MARK.length);
    }
    this.isStarted = true;
  }

  /** Reads the first `length` bytes of the window, which are whole lines. */
  private *readLines(length: number): Generator<RecordBatch> {
    const text = this.textOf(this.window.bytes.subarray(0, length));
    const records = text === null ? null : this.parseLines(text);
    if (text === null || records === null) {
      this.refuseLines();
    }
    const firstIndex = this.records;
    this.records += records.length;
    this.window.dropUntil(this.window.offset + length);
    if (records.length > 0) {
      yield { firstIndex, records, text, bytesRead: this.window.offset };
    }
  }

  /** Lines as text, or null if any of them is at fault. */
  private textOf(bytes: Buffer): string | null {
    const isTooLarge = bytes.length > this.limits.maxRecordBytes && this.isAnyLineTooLarge(bytes);
    return isUtf8(bytes) && !isTooLarge ? bytes.toString() : null;
  }

  /** The values of the lines, or null if any of them is at fault. */
  private parseLines(text: string): unknown[] | null {
    const records: unknown[] = [];
    try {
      for (let start = 0; start < text.length;) {
        const end = text.indexOf('\n', start);
        const line = text.slice(start, end === -1 ? text.length : end);
        if (!BLANK.test(line)) {
          records.push(parseExact(line));
        }
        start += line.length + 1;
      }
    } catch {
      return null;
    }
    return isAnyDeeperThan(records, this.limits.maxDepth) ? null : records;
  }

  private isAnyLineTooLarge(bytes: Buffer): boolean {
    for (let start = 0; start < bytes.length;) {
      const line = lineAt(bytes, start);
      if (line.length > this.limits.maxRecordBytes) {
        return true;
      }
      start = afterLine(bytes, start);
    }
    return false;
  }

  /** Throws the first fault of the window's lines, one of which is known to have one. */
  private refuseLines(): never {
    const { bytes, offset } = this.window;
    let record = this.records;
    for (let start = 0; start < bytes.length; start = afterLine(bytes, start)) {
      const line = lineAt(bytes, start);
      const isOver = line.length > this.limits.maxRecordBytes;
      const isBlank = !isOver && BLANK.test(line.toString('latin1'));
      const fault = isBlank ? null : this.findFault(line, offset + start, afterLine(bytes, start) > bytes.length);
      if (fault !== null) {
        throw this.window.fault({ ...fault, record });
      }
      record += isBlank ? 0 : 1;
    }
    throw new Error('The NDJSON reader refused lines in which its scanner finds no fault.');
  }

  private findFault(line: Buffer, at: number, isLast: boolean): ByteFault | null {
    const limit = this.limits.maxRecordBytes;
    const scanner = new JsonScanner(this.limits, 'line', at);
    const fault = scanner.scan(line.subarray(0, limit), at);
    if (fault !== null || line.length > limit) {
      return (
        fault ?? {
          code: 'record_too_large',
          detail: `A line is larger than ${limit} bytes.`,
          at: at + limit,
          record: null,
        }
      );
    }
    if (isLast) {
      return scanner.end();
    }
    // Its end tells a line that is cut off inside a character from one that is cut off elsewhere.
    const unfinished = scanner.scan(Buffer.of(LF), at + line.length) ?? scanner.end();
    return unfinished === null || unfinished.code === 'invalid_utf8'
      ? unfinished
      : {
          code: 'malformed_json',
          detail: 'A line ends in the middle of its value.',
          at: at + line.length,
          record: null,
        };
  }
}

/** The line at `start` without its LF or CRLF. */
function lineAt(bytes: Buffer, start: number): Buffer {
  const end = afterLine(bytes, start) - 1;
  return bytes.subarray(start, bytes[end - 1] === 0x0d && end > start ? end - 1 : end);
}

/** Where the line after the one at `start` begins; one more than the length if that one has no LF. */
function afterLine(bytes: Buffer, start: number): number {
  const end = bytes.indexOf(LF, start);
  return (end === -1 ? bytes.length : end) + 1;
}
