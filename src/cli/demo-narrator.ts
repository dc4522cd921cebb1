import type { ApiClient } from './api-client.js';
import type { Terminal } from './terminal.js';

/** Where the demo sends its data. */
export interface DemoTarget {
  /** The name of the source, or null for the default one. */
  source: string | null;
  /** Whether a reader who repeats a command needs a key. The demo itself has one. */
  wantsKeys: boolean;
  /** Whether the demo's own file declares the server's resources, and not files of the user. */
  hasAppointments: boolean;
  /** Whether the server may pull from this machine. */
  mayPull: boolean;
}

/** Prints the demo: its chapters, what happens, and the commands that do it. */
export class Narrator {
  private step = 0;

  constructor(
    readonly api: ApiClient,
    readonly terminal: Terminal,
    readonly target: DemoTarget,
  ) {}

  title(text: string): void {
    const rule = '─'.repeat(Math.max(3, Math.min(this.terminal.columns, 100) - text.length - 4));
    this.terminal.line(`\n${this.terminal.style('bold', `── ${text} `)}${this.terminal.style('dim', rule)}`);
  }

  say(text: string): void {
    this.step += 1;
    this.terminal.line(`\n${this.terminal.style('cyan', `${this.step}.`)} ${text}`);
  }

  /** Prints the command that does the next step, for the reader to repeat. */
  curl(options: string, path: string, of = this.target.source): void {
    const source = of === null ? '' : ` -H 'X-Source: ${of}'`;
    const key = this.target.wantsKeys ? ' -H "X-API-Key: $COUNTERPART_KEY"' : '';
    const address = path.includes('?') ? `'${this.api.url}${path}'` : `${this.api.url}${path}`;
    const command = `  $ curl${key}${source}${options && ` ${options}`} ${address}`;
    this.terminal.line(this.terminal.style('dim', command));
  }
}
