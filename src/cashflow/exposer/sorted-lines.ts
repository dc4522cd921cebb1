import { type FileHandle, open } from 'node:fs/promises';

/** No line is longer, by far: those of transactions have about 230 bytes. */
const MAX_LINE_BYTES = 16 * 1024;

/** What is looked at to find a line, a few times more often for a file that is ten times as large. */
const PROBE_BYTES = 2 * 1024;

/** A range that is not larger is searched line by line, with one read. */
const SCAN_BYTES = 16 * 1024;

/** An open answer holds a few of them. 400 answers that nobody read took 266 MB; with 64 KiB 468 MB, and reading was no faster. */
const BLOCK_BYTES = 16 * 1024;

const NEWLINE = 10;

/** A file of lines that are sorted by something. Parts of it are found by halving, and read in blocks; nothing is kept. */
export class SortedLines {
  private constructor(
    private readonly handle: FileHandle,
    private readonly bytes: number,
  ) {}

  static async open(path: string): Promise<SortedLines> {
    const handle = await open(path, 'r');
    return new SortedLines(handle, (await handle.stat()).size);
  }

  /** The end of the file, as a position. */
  get end(): number {
    return this.bytes;
  }

  /**
   * The position of the first line that does not come before what is looked for, or the end.
   * @param isBefore true for all lines up to some place, and false for all after it
   */
  async find(isBefore: (line: string) => boolean): Promise<number> {
    let [low, high] = [0, this.bytes];
    while (high - low > SCAN_BYTES) {
      const middle = Math.floor((low + high) / 2);
      const start = await this.startOfLineFrom(middle);
      if (start >= high) {
        high = middle;
        continue;
      }
      const line = await this.lineAt(start);
      if (isBefore(line.text)) low = line.next;
      else high = start;
    }
    return this.scan(low, high, isBefore);
  }

  /** Looks at the lines that begin in a range; the first one begins with it. */
  private async scan(low: number, high: number, isBefore: (line: string) => boolean): Promise<number> {
    const bytes = await this.bytesAt(low, Math.min(high - low + MAX_LINE_BYTES, this.bytes - low));
    let at = 0;
    while (low + at < high) {
      const end = bytes.indexOf(NEWLINE, at);
      if (end < 0) throw new Error(`a line at byte ${low + at} is too long, or does not end`);
      if (!isBefore(bytes.toString('utf8', at, end))) break;
      at = end + 1;
    }
    return low + at;
  }

  /** The lines between two positions, in blocks. */
  async *read(from: number, to: number): AsyncGenerator<string[]> {
    let rest = Buffer.alloc(0);
    for (let at = from; at < to;) {
      const block = await this.bytesAt(at, Math.min(BLOCK_BYTES, to - at));
      at += block.length;
      const text = Buffer.concat([rest, block]);
      const end = text.lastIndexOf(NEWLINE) + 1;
      rest = text.subarray(end);
      if (end > 0) yield text.toString('utf8', 0, end - 1).split('\n');
    }
  }

  async close(): Promise<void> {
    await this.handle.close();
  }

  /** The first position at or after `position` where a line begins. */
  private async startOfLineFrom(position: number): Promise<number> {
    const { next } = await this.lineAt(position - 1);
    return next;
  }

  /** The text from a position to the end of its line, and where the next one begins. */
  private async lineAt(position: number): Promise<{ text: string; next: number }> {
    for (let wanted = PROBE_BYTES; wanted <= MAX_LINE_BYTES; wanted *= 2) {
      const bytes = await this.bytesAt(position, Math.min(wanted, this.bytes - position));
      const end = bytes.indexOf(NEWLINE);
      if (end >= 0) return { text: bytes.toString('utf8', 0, end), next: position + end + 1 };
    }
    throw new Error(`a line at byte ${position} is too long, or does not end`);
  }

  private async bytesAt(position: number, length: number): Promise<Buffer> {
    if (length === 0) return Buffer.alloc(0);
    const { bytesRead, buffer } = await this.handle.read(Buffer.allocUnsafe(length), 0, length, position);
    if (bytesRead === 0) throw new Error('a data file was cut while it was served');
    return buffer.subarray(0, bytesRead);
  }
}
