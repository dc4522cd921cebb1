import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { type Answer, badRequest, type Dialect, json, NO_ANSWER } from './answer.js';
import { type DataFolder, openDataFolder } from './data-folder.js';
import type { Fault, FaultSource } from './faults.js';
import { gluedDialect } from './glued-dialect.js';
import { ownDialect } from './own-dialect.js';
import { pagedDialect } from './paged-dialect.js';
import { ServerCursors } from './windows.js';

export const DIALECTS = ['own', 'glued', 'paged'] as const;

export interface ExposeOptions {
  folder: string;
  dialect: (typeof DIALECTS)[number];
  host: string;
  /** 0: a free one. */
  port: number;
  nextFault: FaultSource;
  /** Told of what should not happen, such as a file that was changed meanwhile. */
  onFailure: (error: Error) => void;
}

/** A connection on which nothing has moved for this long is closed: clients that are gone, and answers that never come. */
const IDLE_MS = 120_000;

/** Each may hold an answer open, which takes about a megabyte while it is not read. */
const MAX_CONNECTIONS = 128;

/** How long a server that begins again refuses connections. */
const RESTART_MS = 500;

/** A slow answer begins with this many bits of some bytes, so that it lasts for about three seconds. */
const SLOW = { bits: 60, characters: 20, pauseMs: 50 };

/** Serves made data as an external system would, with its faults. */
export class Exposer {
  private readonly sockets = new Set<Socket>();
  private readonly server: Server;
  private isAway = false;

  private constructor(
    private readonly data: DataFolder,
    private readonly dialect: Dialect,
    private readonly cursors: ServerCursors,
    private readonly nextFault: FaultSource,
    onFailure: ExposeOptions['onFailure'],
  ) {
    this.server = createServer((request, response) => {
      this.answer(request, response).catch((error: Error) => {
        // A client that went away is none of our failures.
        if (!response.destroyed) onFailure(error);
        response.destroy();
      });
    });
    this.server.setTimeout(IDLE_MS);
    this.server.maxConnections = MAX_CONNECTIONS;
    this.server.on('connection', (socket) => {
      if (this.isAway) socket.destroy();
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
    });
  }

  /** @throws DataMissing if the data are not complete */
  static async start({ folder, dialect, host, port, nextFault, onFailure }: ExposeOptions): Promise<Exposer> {
    const data = await openDataFolder(folder);
    const cursors = new ServerCursors();
    const dialects = { own: ownDialect, glued: gluedDialect, paged: pagedDialect };
    const exposer = new Exposer(data, dialects[dialect](data, cursors), cursors, nextFault, onFailure);
    try {
      exposer.server.listen(port, host);
      await once(exposer.server, 'listening');
    } catch (error) {
      await exposer.closeFiles();
      throw error;
    }
    return exposer;
  }

  get url(): string {
    const { address, port, family } = this.server.address() as AddressInfo;
    return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
  }

  async close(): Promise<void> {
    const closed = once(this.server, 'close');
    this.server.close();
    this.dropConnections();
    await closed;
    await this.closeFiles();
  }

  private async closeFiles(): Promise<void> {
    await Promise.all(Object.values(this.data).map((file) => file.close()));
  }

  private dropConnections(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = URL.parse(request.url ?? '/', 'http://localhost');
    if (url === null) return send(response, badRequest('The address cannot be read.'));
    const { pathname, searchParams } = url;
    if (request.method !== 'GET') return send(response, json({ error: 'Only GET is answered.' }, 405));
    const answer = this.dialect(pathname, searchParams);
    if (answer === null) return send(response, json({ error: `There is no ${pathname}.` }, 404));
    // The connection stays open until the client gives up, or is closed with the idle ones.
    if (answer === NO_ANSWER) return undefined;
    const isFaulty = answer.status === 200 && pathname !== '/ping';
    return this.sendWith(isFaulty ? this.nextFault() : null, response, answer);
  }

  private async sendWith(fault: Fault | null, response: ServerResponse, answer: Answer): Promise<void> {
    switch (fault) {
      case 'hang':
        return undefined;
      case 'error':
        return send(response, json({ error: 'Something went wrong.' }, 500));
      case 'restart':
        return this.restart();
      case 'repeat':
        return send(response, { ...answer, advance: () => undefined });
      case 'slow':
        return send(response, { ...answer, body: slowly(answer.body) });
      case 'drop-after':
        answer.advance?.();
        return sendPart(response, answer);
      case 'drop-before':
        return sendPart(response, answer);
      default:
        return send(response, answer);
    }
  }

  private async restart(): Promise<void> {
    this.cursors.restart();
    this.isAway = true;
    this.dropConnections();
    await delay(RESTART_MS);
    this.isAway = false;
  }
}

/** Sends an answer as fast as the client takes it. A client that goes away ends it. */
async function send(response: ServerResponse, { status, body, advance }: Answer): Promise<void> {
  response.writeHead(status, { 'Content-Type': 'application/json' });
  await pipeline(Readable.from(advancing(body, advance), { highWaterMark: 1 }), response);
}

/** Calls `advance` when all but the last piece was taken. */
async function* advancing(body: AsyncIterable<string>, advance: Answer['advance']): AsyncGenerator<string> {
  let last: string | undefined;
  for await (const piece of body) {
    if (last !== undefined && last !== '') yield last;
    last = piece;
  }
  advance?.();
  if (last !== undefined && last !== '') yield last;
}

/** Sends half of the first piece that holds anything, then closes the connection. */
async function sendPart(response: ServerResponse, { status, body }: Answer): Promise<void> {
  for await (const piece of body) {
    response.writeHead(status, { 'Content-Type': 'application/json' });
    response.write(piece.slice(0, Math.ceil(piece.length / 2)), () => response.destroy());
    return;
  }
}

async function* slowly(body: AsyncIterable<string>): AsyncGenerator<string> {
  let bits = SLOW.bits;
  for await (const piece of body) {
    let at = 0;
    for (; bits > 0 && at < piece.length; bits--) {
      yield piece.slice(at, at + SLOW.characters);
      at += SLOW.characters;
      await delay(SLOW.pauseMs);
    }
    if (at < piece.length) yield piece.slice(at);
  }
}
