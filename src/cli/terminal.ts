import { once } from 'node:events';
import { styleText } from 'node:util';

type Style = Parameters<typeof styleText>[0];

/** The width where it is not known: piped output is often read in a window of the usual size. */
const DEFAULT_COLUMNS = 100;

/** Characters that a terminal treats as commands. Data of an external system must not contain any when it is printed. */
// oxlint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

/** The output of the commands: results on standard output, errors and remarks on standard error. */
export class Terminal {
  private isBroken = false;

  constructor(
    readonly output: NodeJS.WriteStream = process.stdout,
    private readonly errors: NodeJS.WriteStream = process.stderr,
  ) {
    // When the reader closes the pipe (`| head`), writing stops, but the work goes on.
    output.on('error', () => (this.isBroken = true));
    errors.on('error', () => undefined);
  }

  /** Whether the output is a terminal, on which a line may be redrawn. */
  get isInteractive(): boolean {
    return this.output.isTTY;
  }

  /** Whether the reader has closed the output. */
  get isClosed(): boolean {
    return this.isBroken;
  }

  get columns(): number {
    return this.output.columns || DEFAULT_COLUMNS;
  }

  line(text = ''): void {
    if (!this.isBroken) this.output.write(`${text}\n`);
  }

  /** Writes a line, as fast as the reader takes it: for output of unknown length. */
  async flowingLine(text: string): Promise<void> {
    if (this.isBroken || this.output.write(`${text}\n`)) return;
    await Promise.race([once(this.output, 'drain'), once(this.output, 'close')]).catch(() => undefined);
  }

  json(value: unknown): void {
    this.line(JSON.stringify(value, null, 2));
  }

  /** Writes a remark, which is not part of the result. */
  remark(text: string): void {
    this.errors.write(`${text}\n`);
  }

  /** Colour on a terminal, unless `NO_COLOR` is set (https://no-color.org). */
  style(style: Style, text: string): string {
    return this.isInteractive && !process.env['NO_COLOR'] ? styleText(style, text, { validateStream: false }) : text;
  }

  /** Grouped digits on a terminal, plain ones for programs. */
  number(value: number): string {
    return this.isInteractive ? value.toLocaleString('en-US') : String(value);
  }

  /** Resolves when all output has been written. */
  async flush(): Promise<void> {
    await Promise.all([this.output, this.errors].map((stream) => new Promise((resolve) => stream.write('', resolve))));
  }
}

/** Text of unknown origin, safe to print: control characters are escaped. */
export function printable(text: string): string {
  return text
    .replace(CONTROL, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .toWellFormed();
}

/** `414 B`, `28.1 MB`. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const power = bytes < 1000 ? 0 : Math.min(Math.floor(Math.log10(bytes) / 3), units.length - 1);
  return `${power === 0 ? bytes : (bytes / 1000 ** power).toFixed(1)} ${units[power]}`;
}
