import { once } from 'node:events';
import { styleText } from 'node:util';

type Style = Parameters<typeof styleText>[0];

/** Columns where none are known: what is piped is often looked at in a window of the usual size. */
const DEFAULT_COLUMNS = 100;

/** Characters that a terminal takes for commands. What an external system sent must not be able to give any. */
// oxlint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

/** Where the commands write: results on standard output, what went wrong and remarks on standard error. */
export class Terminal {
  private isBroken = false;

  constructor(
    readonly output: NodeJS.WriteStream = process.stdout,
    private readonly errors: NodeJS.WriteStream = process.stderr,
  ) {
    // A reader that has seen enough (`| head`) ends the writing, not the work.
    output.on('error', () => (this.isBroken = true));
    errors.on('error', () => undefined);
  }

  /** Whether somebody looks on, so that a line may be drawn again. */
  get isInteractive(): boolean {
    return this.output.isTTY;
  }

  /** Whether nobody reads any more. */
  get isClosed(): boolean {
    return this.isBroken;
  }

  get columns(): number {
    return this.output.columns || DEFAULT_COLUMNS;
  }

  line(text = ''): void {
    if (!this.isBroken) this.output.write(`${text}\n`);
  }

  /** A line, as fast as the reader takes it: for output without a known end. */
  async flowingLine(text: string): Promise<void> {
    if (this.isBroken || this.output.write(`${text}\n`)) return;
    await Promise.race([once(this.output, 'drain'), once(this.output, 'close')]).catch(() => undefined);
  }

  json(value: unknown): void {
    this.line(JSON.stringify(value, null, 2));
  }

  /** Something on the side: not part of the result. */
  remark(text: string): void {
    this.errors.write(`${text}\n`);
  }

  /** Colour on a terminal, unless `NO_COLOR` is set (https://no-color.org). */
  style(style: Style, text: string): string {
    return this.isInteractive && !process.env['NO_COLOR'] ? styleText(style, text, { validateStream: false }) : text;
  }

  /** Grouped digits for the eye, plain ones for a program. */
  number(value: number): string {
    return this.isInteractive ? value.toLocaleString('en-US') : String(value);
  }

  /** Resolves when all that was written has left the process. */
  async flush(): Promise<void> {
    await Promise.all([this.output, this.errors].map((stream) => new Promise((resolve) => stream.write('', resolve))));
  }
}

/** Text of unknown origin as it may be shown: control characters are spelled out. */
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
