import { createRedisBackend, type RedisQueueBackend } from 'bullmq';
import type { Cluster } from 'ioredis';
import { setTimeout as delay } from 'node:timers/promises';

/** A worker asks for jobs at least this often, as the marker of a new one is lost if it is handed to a broken connection. */
const MAX_WAIT_SECONDS = 1;

/** How much longer than asked an answer may take. */
const GRACE_MS = 500;

/** BullMQ takes this message for a lost connection: it does not report the error, and the worker does not ask for a job. */
const CONNECTION_CLOSED = 'Connection is closed.';

/** What BullMQ leaves for the workers that wait for jobs; its score is the time from which there is one. */
interface Marker {
  member: string;
  score: number;
}

/**
 * BullMQ's backend for queues in a cluster.
 *
 * BullMQ (6.7) connects the client of a waiting worker again if an answer is late, and waits for ioredis (6.0) to call that
 * done, which it never does if the cluster is incomplete at that moment, as it is until a replica has taken over from its
 * master. Such a worker took no job any more, and did not stop. Here ioredis alone looks after the connection, and each
 * wait ends by itself. A worker that was paused cannot resume: its wait ends for good.
 * @param open opens a connection under a name, for a worker to wait on
 */
export function clusterBackend(open: (name: string) => Cluster): typeof createRedisBackend {
  return (queue, options, kind) => {
    const backend = createRedisBackend(queue, options, { ...kind, withBlockingConnection: false });
    if (kind?.withBlockingConnection) waitForMarkers(backend, open);
    return backend;
  };
}

function waitForMarkers(backend: RedisQueueBackend, open: (name: string) => Cluster): void {
  const key = backend.keys['marker'];
  if (key === undefined) throw new Error('BullMQ has no key of this name any more: marker');
  const wait = new MarkerWait(open(backend.clientName()), key, (error) => backend.emit('error', error));
  const close = backend.close.bind(backend);
  backend.waitForJob = (seconds) => wait.next(seconds);
  backend.disconnectBlocking = async () => wait.stop();
  backend.close = (force) => {
    // A worker that has not begun to wait does not end its wait.
    wait.stop();
    return close(force);
  };
}

/** Waits for the markers of a queue on a connection of its own. */
class MarkerWait {
  /** The command that has no answer yet: at most one, or an outage would leave as many as there were waits in it. */
  private pending: Promise<Marker | null> | null = null;
  private isStopped = false;

  constructor(
    private readonly client: Cluster,
    private readonly key: string,
    private readonly onError: (error: unknown) => void,
  ) {
    client.on('error', onError);
  }

  /**
   * The next marker, or null if there is none in time, or no answer.
   * @throws Error once the wait was stopped: BullMQ would take null for a reason to fetch a job, also while it closes
   */
  async next(seconds: number): Promise<Marker | null> {
    this.throwIfStopped();
    const waitSeconds = Math.min(seconds, MAX_WAIT_SECONDS);
    const settled = new AbortController();
    const timeout = delay(waitSeconds * 1000 + GRACE_MS, null, { signal: settled.signal }).catch(() => null);
    this.pending ??= this.ask(waitSeconds);
    // A worker whose command fails would otherwise send it again at once.
    const answer = this.pending.catch(() => (this.isStopped ? null : timeout));
    const marker = await Promise.race([answer, timeout]);
    settled.abort();
    this.throwIfStopped();
    return marker;
  }

  /** Ends the wait, for good. */
  stop(): void {
    this.isStopped = true;
    this.client.disconnect();
  }

  private throwIfStopped(): void {
    if (this.isStopped) throw new Error(CONNECTION_CLOSED);
  }

  private async ask(seconds: number): Promise<Marker | null> {
    try {
      const [, member, score] = (await this.client.bzpopmin(this.key, seconds)) ?? [];
      return member === undefined ? null : { member, score: Number(score) };
    } catch (error) {
      if (!this.isStopped) this.onError(error);
      throw error;
    } finally {
      this.pending = null;
    }
  }
}
