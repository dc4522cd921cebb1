import { ExpressAdapter } from '@nestjs/platform-express';
import { createServer, type Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Config } from './config.js';
import { answerMalformedRequest } from './malformed-request.js';
import { boundUnreadBody } from './unread-body.js';

/** Headers must be in by then, also the first byte of them. Bodies have the time that their route gives them. */
const HEADERS_TIMEOUT_MS = 20_000;

/** How often Node looks for requests that are late: by default each 30 s, which would make 20 s up to 50. */
const CHECK_INTERVAL_MS = 2_000;

/** A connection between two requests is kept for so long, and is then free for somebody else. */
const KEEP_ALIVE_MS = 5_000;

/** How often a stop looks for connections that have become idle: Node closes those of its first moment alone. */
const STOP_CHECK_INTERVAL_MS = 100;

/** Who connected before the stop and has not sent a request by then is as one who came too late. */
const FIRST_REQUEST_AT_STOP_MS = 1_000;

/** Express on an HTTP server with limits. Some of them Node takes only when a server is made, where Nest hands on none. */
export class BoundedHttpAdapter extends ExpressAdapter {
  /** Connections over which no request has come yet. */
  private readonly silent = new Set<Socket>();

  constructor(private readonly config: Config) {
    super();
  }

  override initHttpServer(): void {
    const { MAX_HEADER_BYTES, MAX_CONNECTIONS, UPLOAD_TIMEOUT_SECONDS } = this.config;
    const server: Server = createServer(
      {
        maxHeaderSize: MAX_HEADER_BYTES,
        requestTimeout: UPLOAD_TIMEOUT_SECONDS * 1000,
        // Node wants it to be within the time for the whole request.
        headersTimeout: Math.min(HEADERS_TIMEOUT_MS, UPLOAD_TIMEOUT_SECONDS * 1000),
        connectionsCheckingInterval: CHECK_INTERVAL_MS,
        keepAliveTimeout: KEEP_ALIVE_MS,
      },
      this.getInstance(),
    );
    server.maxConnections = MAX_CONNECTIONS;
    server.on('clientError', answerMalformedRequest);
    server.prependListener('request', boundUnreadBody);
    server.prependListener('request', (_, response) => {
      // A stop waits for connections that were busy at that moment; a client that goes on asking would keep them so.
      if (!server.listening) response.setHeader('Connection', 'close');
    });
    server.on('connection', (socket: Socket) => {
      this.silent.add(socket);
      socket.once('close', () => this.silent.delete(socket));
    });
    server.prependListener('request', ({ socket }) => this.silent.delete(socket));
    this.httpServer = server;
  }

  /**
   * Answers what is under way and then has no connection left. Node alone would wait for those that are kept alive
   * (6 s), and for silent ones as long as they last.
   */
  override async close(): Promise<void> {
    const server = this.httpServer as Server;
    const idle = setInterval(() => server.closeIdleConnections(), STOP_CHECK_INTERVAL_MS);
    const silent = setTimeout(() => this.silent.forEach((socket) => socket.destroy()), FIRST_REQUEST_AT_STOP_MS);
    try {
      await super.close();
    } finally {
      clearInterval(idle);
      clearTimeout(silent);
    }
  }
}
