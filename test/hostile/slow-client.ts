import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** A client that opens a connection, sends some bytes, and then sends little or nothing more. */
export class SlowClient {
  private received = '';
  private timer: NodeJS.Timeout | undefined;
  private readonly closed: Promise<unknown>;

  private constructor(private readonly socket: Socket) {
    socket.setEncoding('utf8').on('data', (text: string) => (this.received += text));
    socket.on('error', () => undefined);
    this.closed = once(socket, 'close').catch(() => undefined);
  }

  static async connect(server: { url: string }, bytes: string): Promise<SlowClient> {
    const { hostname, port } = new URL(server.url);
    const client = new SlowClient(connect(Number(port), hostname));
    await once(client.socket, 'connect');
    if (bytes !== '') await new Promise<void>((resolve) => client.socket.write(bytes, () => resolve()));
    return client;
  }

  /** Sends a few bytes again and again, to keep the connection alive. */
  sendingSlowly(bytes: string, everyMs: number): this {
    this.timer = setInterval(() => this.socket.writable && this.socket.write(bytes), everyMs);
    return this;
  }

  /** Waits until the server closes the connection. @returns everything it has sent */
  async untilClosed(): Promise<string> {
    await this.closed;
    clearInterval(this.timer);
    return this.received;
  }

  get isOpen(): boolean {
    return !this.socket.destroyed;
  }

  close(): void {
    clearInterval(this.timer);
    this.socket.destroy();
  }
}

/** The beginning of an upload whose announced length is never reached. */
export function idleUpload(source: string): string {
  const headers = [
    'Host: localhost',
    'Content-Type: application/json',
    'Content-Length: 1000000',
    `X-Source: ${source}`,
  ];
  return `POST /patients HTTP/1.1\r\n${headers.join('\r\n')}\r\n\r\n[`;
}
