import { once } from 'node:events';
import type { Writable } from 'node:stream';
import type { DataSetName, Format } from './row-formats.js';

/** Rows are collected up to this many characters before they are passed on: fewer calls, and little memory. */
const BLOCK_CHARACTERS = 256 * 1024;

/** One data set on its way to where it is kept: lines are appended, and go on in blocks, as fast as the other side takes them. */
export class Output {
  rows = 0;
  private block = '';
  private failure: unknown;

  /** @param done settles when all is kept, after the stream has ended, or when that fails */
  constructor(
    private readonly stream: Writable,
    private readonly done: Promise<unknown>,
  ) {
    // A failure between two blocks is told with the next one.
    done.catch((error: unknown) => (this.failure ??= error));
    stream.on('error', (error) => (this.failure ??= error));
  }

  /** Appends a line that is no row. */
  header(line: string): void {
    this.block += line;
  }

  append(line: string): void {
    this.block += line;
    this.rows++;
  }

  /** Whether a block is full: then {@link flush} has to be called before the next line. */
  get isFull(): boolean {
    return this.block.length >= BLOCK_CHARACTERS;
  }

  async flush(): Promise<void> {
    if (this.failure) throw this.failure;
    const block = this.block;
    this.block = '';
    if (block !== '' && !this.stream.write(block)) await once(this.stream, 'drain');
  }

  async end(): Promise<void> {
    await this.flush();
    this.stream.end();
    await this.done;
  }
}

/** Where data sets are kept: a folder, or a database. */
export interface Destination {
  /** How it takes the rows of companies, rates and transactions; those of the other data sets are CSV. */
  readonly format: Format;
  open(name: DataSetName): Promise<Output>;
}
