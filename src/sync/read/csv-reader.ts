import { CsvError, type Parser, parse } from 'csv-parse';
import { type ByteFault, ByteWindow } from '../bytes/byte-window.js';
import { CsvHeader } from './csv-header.js';
import { EMPTY_DETAIL } from '../bytes/first-byte.js';
import type { ReadLimits } from '../bytes/read-limits.js';
import type { RecordBatch } from './record-batch.js';
import { Utf8Check } from '../bytes/utf8.js';

const LF = 0x0a;
const CR = 0x0d;
const BYTE_ORDER_MARK = Buffer.from('\ufeff');
// csv-parse looks that far ahead at most, so the end of a row may be in its hands and not be reported yet.
const LOOKAHEAD_BYTES = 16;
const PADDING = Buffer.alloc(LOOKAHEAD_BYTES, ' ');

/** A row as csv-parse found it, and the offset behind its line end. */
interface Row {
  cells: string[];
  end: number;
}

/**
 * Reads a CSV snapshot from `pieces` of its bytes: RFC 4180 with LF or CRLF, the first row names the fields, blank lines
 * are skipped. A record is an ordinary object of strings with own properties only, as JSON.parse would make it; an empty
 * cell, quoted or not, leaves its field out. Faults of a row are placed at its first byte. About 30 MB/s (csv-parse).
 */
export async function* readCsv(pieces: AsyncIterable<Buffer>, limits: ReadLimits): AsyncGenerator<RecordBatch> {
  const reader = new CsvReader(limits);
  try {
    for await (const piece of pieces) {
      yield* reader.take(await reader.read(piece));
    }
    yield* reader.take(await reader.end());
  } finally {
    reader.close();
  }
}

class CsvReader {
  /** What is not yet part of a finished row. */
  private readonly window = new ByteWindow();
  private readonly text = new Utf8Check();
  private readonly parser: Parser;
  private rows: Row[] = [];
  private header: CsvHeader | null = null;
  private records = 0;

  constructor(private readonly limits: ReadLimits) {
    this.parser = parse({
      bom: true,
      record_delimiter: ['\r\n', '\n'],
      skip_empty_lines: true,
      // Cells are counted here, where the place of the row is known.
      relax_column_count: true,
      on_record: (cells: string[], { bytes }) => {
        this.rows.push({ cells, end: bytes });
        return null; // Nothing goes through the parser's own queue.
      },
    });
    // Every error also comes back from the write that met it.
    this.parser.on('error', () => undefined);
  }

  /** Parses one more piece; returns the records that it completed. */
  async read(piece: Buffer): Promise<unknown[]> {
    const malformed = this.text.findFault(piece);
    const start = this.window.end;
    this.window.append(piece);
    if (malformed !== null) {
      await this.parseUntil(piece.subarray(0, Math.max(0, malformed)));
      this.refuseSize(start + malformed);
      this.refuse('invalid_utf8', 'The table holds bytes that are not valid UTF-8.', start + malformed);
    }
    const records = await this.parse((done) => this.parser.write(piece, done));
    this.refuseSize(this.window.end - LOOKAHEAD_BYTES);
    return records;
  }

  /** Says that the input has ended; returns the record that this completed, if any. */
  async end(): Promise<unknown[]> {
    if (this.text.isOpen) {
      await this.parseUntil(Buffer.alloc(0));
      this.refuse('truncated', 'The input ends in the middle of a character.', this.window.end);
    }
    const records = await this.parse((done) => this.parser.end(done));
    if (this.header === null) {
      throw this.window.fault({ code: 'empty', detail: EMPTY_DETAIL, at: this.window.end, record: null });
    }
    return records;
  }

  *take(records: unknown[]): Generator<RecordBatch> {
    if (records.length > 0) {
      yield { firstIndex: this.records - records.length, records, text: null, bytesRead: this.window.offset };
    }
  }

  close(): void {
    this.parser.destroy();
  }

  /** Parses what precedes a fault, as an earlier fault in it goes first, and so that the record is told right. */
  private async parseUntil(sound: Buffer): Promise<void> {
    await this.parse((done) => this.parser.write(Buffer.concat([sound, PADDING]), done));
  }

  private async parse(step: (done: (error?: Error | null) => void) => void): Promise<unknown[]> {
    const error = await new Promise<Error | null>((resolve) => step((failure) => resolve(failure ?? null)));
    const records: unknown[] = [];
    for (const row of this.rows) {
      const record = this.takeRow(row);
      if (record !== null) {
        records.push(record);
      }
    }
    this.rows = [];
    if (error !== null) {
      this.refuseError(error);
    }
    return records;
  }

  /** The record of a row, or null if it is the header or blank. */
  private takeRow({ cells, end }: Row): Record<string, string> | null {
    const start = this.skipBlankLines();
    const row = withoutLineEnd(this.window.bytes.subarray(0, end - start));
    if (row.length > this.limits.maxRecordBytes) {
      this.refuse('record_too_large', this.sizeDetail, start + this.limits.maxRecordBytes);
    }
    let record: Record<string, string> | null = null;
    if (cells.length === 1 && this.header?.width !== 1 && isBlank(row)) {
      // Spaces only: a blank line to the eye, though a cell to the parser.
    } else if (this.header === null) {
      this.header = new CsvHeader(cells);
      this.refuseIf(this.header.fault, start);
    } else if (cells.length !== this.header.width) {
      this.refuseIf(
        `A row has ${cells.length} ${cells.length === 1 ? 'cell' : 'cells'}, but the header has ${this.header.width}.`,
        start,
      );
    } else {
      record = this.header.record(cells);
      this.records++;
    }
    this.window.dropUntil(end);
    return record;
  }

  /** Drops blank lines and the byte order mark in front of the next row; returns the offset of that row. */
  private skipBlankLines(): number {
    const { bytes, offset } = this.window;
    let index =
      offset === 0 && bytes.subarray(0, BYTE_ORDER_MARK.length).equals(BYTE_ORDER_MARK) ? BYTE_ORDER_MARK.length : 0;
    while (bytes[index] === LF || (bytes[index] === CR && bytes[index + 1] === LF)) {
      index += bytes[index] === LF ? 1 : 2;
    }
    this.window.dropUntil(offset + index);
    return offset + index;
  }

  private get sizeDetail(): string {
    return `A row is larger than ${this.limits.maxRecordBytes} bytes.`;
  }

  /** Refuses a row that is not finished by `end` and too large already. */
  private refuseSize(end: number): void {
    const start = this.skipBlankLines();
    if (end - start > this.limits.maxRecordBytes) {
      this.refuse('record_too_large', this.sizeDetail, start + this.limits.maxRecordBytes);
    }
  }

  private refuseError(error: Error): never {
    if (!(error instanceof CsvError)) {
      throw error;
    }
    const start = this.skipBlankLines();
    if (error.code === 'CSV_QUOTE_NOT_CLOSED') {
      this.refuse('truncated', 'The input ends inside a quoted cell.', this.window.end);
    }
    return this.refuse('malformed_csv', 'A quote stands where RFC 4180 does not allow one.', start);
  }

  private refuseIf(detail: string | null, at: number): void {
    if (detail !== null) {
      this.refuse('malformed_csv', detail, at);
    }
  }

  private refuse(code: ByteFault['code'], detail: string, at: number): never {
    throw this.window.fault({ code, detail, at, record: this.header?.fault === null ? this.records : null });
  }
}

function withoutLineEnd(row: Buffer): Buffer {
  const end = row.at(-1) === LF ? row.length - 1 : row.length;
  return row.subarray(0, end < row.length && row[end - 1] === CR ? end - 1 : end);
}

function isBlank(row: Buffer): boolean {
  return row.every((byte) => byte === 0x20 || byte === 0x09);
}
