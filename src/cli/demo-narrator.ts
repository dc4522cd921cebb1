import type { ApiClient } from './api-client.js';
import type { Terminal } from './terminal.js';

/** Where the show plays. */
export interface Stage {
  /** Null for the default one. */
  source: string | null;
  /** Whether the server wants a key of those who repeat what they see; the show has one of its own. */
  wantsKeys: boolean;
}

/** Tells a show: its chapters, what happens, and the commands that do it. */
export class Narrator {
  private step = 0;

  constructor(
    readonly api: ApiClient,
    readonly terminal: Terminal,
    readonly stage: Stage,
  ) {}

  title(text: string): void {
    const rule = '─'.repeat(Math.max(3, Math.min(this.terminal.columns, 100) - text.length - 4));
    this.terminal.line(`\n${this.terminal.style('bold', `── ${text} `)}${this.terminal.style('dim', rule)}`);
  }

  say(text: string): void {
    this.step += 1;
    this.terminal.line(`\n${this.terminal.style('cyan', `${this.step}.`)} ${text}`);
  }

  /** The command that does what comes next, for the reader to repeat. */
  curl(options: string, path: string): void {
    const source = this.stage.source === null ? '' : ` -H 'X-Source: ${this.stage.source}'`;
    const key = this.stage.wantsKeys ? ' -H "X-API-Key: $COUNTERPART_KEY"' : '';
    const address = path.includes('?') ? `'${this.api.url}${path}'` : `${this.api.url}${path}`;
    const command = `  $ curl${key}${source}${options && ` ${options}`} ${address}`;
    this.terminal.line(this.terminal.style('dim', command));
  }
}
