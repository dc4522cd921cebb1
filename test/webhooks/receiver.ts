import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { until } from '../setup/test-server.js';

/** A request as it was received. */
export interface Received {
  path: string;
  headers: IncomingHttpHeaders;
  text: string;
  body: any;
}

type Answer = (response: ServerResponse, received: Received) => void;

/** A receiver of webhooks. It answers 204 unless configured otherwise. */
export class Receiver {
  readonly requests: Received[] = [];
  answer: Answer = (response) => void response.writeHead(204).end();
  private server: Server | null = null;
  private port = 0;

  static async start(): Promise<Receiver> {
    const receiver = new Receiver();
    await receiver.open();
    return receiver;
  }

  /** Accepts connections, on the same port as before. */
  async open(): Promise<void> {
    this.server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        const received = { path: request.url ?? '', headers: request.headers, text, body: JSON.parse(text) };
        this.requests.push(received);
        this.answer(response, received);
      });
    }).listen(this.port, '127.0.0.1');
    await once(this.server, 'listening');
    this.port = (this.server.address() as AddressInfo).port;
  }

  /** Refuses connections. */
  async close(): Promise<void> {
    const { server } = this;
    if (!server) return;
    this.server = null;
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  }

  /** A path that no other endpoint uses. */
  url(path = '/hook'): string {
    return `http://127.0.0.1:${this.port}${path}`;
  }

  answerWith(status: number, headers: Record<string, string> = {}): void {
    this.answer = (response) => void response.writeHead(status, headers).end();
  }

  at(path: string): Received[] {
    return this.requests.filter((request) => request.path === path);
  }

  async waitFor(path: string, count: number): Promise<Received[]> {
    await until(`${count} requests came to ${path}`, () => this.at(path).length >= count);
    return this.at(path);
  }
}

/** Which of these secrets signed a request: computed from the specification, not with our code. */
export function signersOf({ headers, text }: Received, secrets: string[]): string[] {
  const signatures = String(headers['webhook-signature']).split(' ');
  return secrets.filter((secret) => {
    const key = Buffer.from(secret.replace('whsec_', ''), 'base64');
    const hmac = createHmac('sha256', key);
    hmac.update(`${String(headers['webhook-id'])}.${String(headers['webhook-timestamp'])}.${text}`, 'utf8');
    return signatures.includes(`v1,${hmac.digest('base64')}`);
  });
}
