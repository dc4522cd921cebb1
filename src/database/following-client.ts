import pg from 'pg';

/** Where the embedded servers of this process are now, by the ports that they had at their start. */
const moved = new Map<number, number>();

const EMBEDDED_HOST = '127.0.0.1';

/** Records that an embedded server was started again on another port than the one its URL names. */
export function recordMove(startPort: number, port: number): void {
  moved.set(startPort, port);
}

/** A client for pools whose URL was made at the start of the process: it connects to where the server is now. */
export class FollowingClient extends pg.Client {
  constructor(config?: string | pg.ClientConfig) {
    super(config);
    const port = this.host === EMBEDDED_HOST ? moved.get(this.port) : undefined;
    // Read when the client connects.
    if (port !== undefined) Object.assign(this, { port });
  }
}
