import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** Somebody who opens a connection, says something, and then says little or nothing more. */
export class SilentCaller {
  private heard = '';
  private trickle: NodeJS.Timeout | undefined;
  private readonly closed: Promise<unknown>;

  private constructor(private readonly socket: Socket) {
    socket.setEncoding('utf8').on('data', (text: string) => (this.heard += text));
    socket.on('error', () => undefined);
    this.closed = once(socket, 'close').catch(() => undefined);
  }

  static async connect(server: { url: string }, bytes: string): Promise<SilentCaller> {
    const { hostname, port } = new URL(server.url);
    const caller = new SilentCaller(connect(Number(port), hostname));
    await once(caller.socket, 'connect');
    if (bytes !== '') await new Promise<void>((resolve) => caller.socket.write(bytes, () => resolve()));
    return caller;
  }

  /** Says a little again and again, as those do who want to look alive. */
  trickling(bytes: string, everyMs: number): this {
    this.trickle = setInterval(() => this.socket.writable && this.socket.write(bytes), everyMs);
    return this;
  }

  /** All that was answered until the server hung up. */
  async untilHungUp(): Promise<string> {
    await this.closed;
    clearInterval(this.trickle);
    return this.heard;
  }

  get isOpen(): boolean {
    return !this.socket.destroyed;
  }

  hangUp(): void {
    clearInterval(this.trickle);
    this.socket.destroy();
  }
}

/** The beginning of an upload that announces more than ever comes. */
export function idleUpload(source: string): string {
  const headers = [
    'Host: localhost',
    'Content-Type: application/json',
    'Content-Length: 1000000',
    `X-Source: ${source}`,
  ];
  return `POST /patients HTTP/1.1\r\n${headers.join('\r\n')}\r\n\r\n[`;
}
