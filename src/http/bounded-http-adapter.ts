import { ExpressAdapter } from '@nestjs/platform-express';
import { createServer, type Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Config } from '../settings/config.js';
import { answerMalformedRequest } from './malformed-request.js';
import { boundUnreadBody } from './unread-body.js';

/** All headers must have arrived by then. Bodies have the time that their route gives them. */
const HEADERS_TIMEOUT_MS = 20_000;

/** How often Node looks for late requests. With its default of 30 s, the 20 s above could become 50. */
const CHECK_INTERVAL_MS = 2_000;

/** How long an idle connection is kept open for another request. */
const KEEP_ALIVE_MS = 5_000;

/** How often a stop closes connections that have become idle: Node itself closes only those that are idle at its start. */
const STOP_CHECK_INTERVAL_MS = 100;

/** How long a stop waits for the first request over connections that were opened before it. */
const FIRST_REQUEST_AT_STOP_MS = 1_000;

/** Express on an HTTP server with limits. Node takes some of them only when a server is created, where Nest passes none. */
export class BoundedHttpAdapter extends ExpressAdapter {
  /** Connections over which no request has arrived yet. */
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
        // Node requires that this is no longer than the time for the whole request.
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
      // A stop waits for connections that are busy; a client that keeps sending requests would keep them so.
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
   * Answers the requests under way and closes all connections. Node alone would wait for those that are kept alive (6 s),
   * and for silent ones as long as they last.
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
