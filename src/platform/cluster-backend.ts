import { createRedisBackend, type RedisQueueBackend } from 'bullmq';
import type { Cluster } from 'ioredis';
import { setTimeout as delay } from 'node:timers/promises';

/** A worker asks for jobs at least this often, as the mark of a new one is lost if it is handed to a broken connection. */
const MAX_WAIT_SECONDS = 1;

/** How much longer than asked an answer may take. */
const GRACE_MS = 500;

/** What BullMQ leaves for the workers that wait for jobs; its score is the time from which there is one. */
interface Mark {
  member: string;
  score: number;
}

/**
 * BullMQ's backend for queues in a cluster.
 *
 * BullMQ (6.7) connects the client of a waiting worker again if an answer is late, and waits for ioredis (6.0) to call that
 * done, which it never does if the cluster is incomplete at that moment, as it is until a replica has taken over from its
 * master. Such a worker took no job any more, and did not stop. Here ioredis alone looks after the connection, and each
 * wait ends by itself.
 * @param open opens a connection under a name, for a worker to wait on
 */
export function clusterBackend(open: (name: string) => Cluster): typeof createRedisBackend {
  return (queue, options, kind) => {
    const backend = createRedisBackend(queue, options, { ...kind, withBlockingConnection: false });
    if (kind?.withBlockingConnection) waitForMarks(backend, open(backend.clientName()));
    return backend;
  };
}

function waitForMarks(backend: RedisQueueBackend, client: Cluster): void {
  const marks = new QueueMarks(client, backend.keys['marker'] ?? '', (error) => backend.emit('error', error));
  const close = backend.close.bind(backend);
  backend.waitForJob = (seconds) => marks.next(seconds);
  backend.disconnectBlocking = async () => marks.stop();
  backend.close = (force) => {
    // A worker that has not begun to wait does not end its wait.
    marks.stop();
    return close(force);
  };
}

/** Waits for the marks of a queue on a connection of its own. */
class QueueMarks {
  /** The command that has no answer yet: at most one, or an outage would leave as many as there were waits in it. */
  private asked: Promise<Mark | null> | null = null;
  private isStopped = false;

  constructor(
    private readonly client: Cluster,
    private readonly key: string,
    private readonly onError: (error: unknown) => void,
  ) {
    client.on('error', onError);
  }

  /** The next mark, or null if there is none in time, or no answer. Never rejects. */
  async next(seconds: number): Promise<Mark | null> {
    if (this.isStopped) return null;
    const waitSeconds = Math.min(seconds, MAX_WAIT_SECONDS);
    const answered = new AbortController();
    const late = delay(waitSeconds * 1000 + GRACE_MS, null, { signal: answered.signal }).catch(() => null);
    this.asked ??= this.ask(waitSeconds);
    // A worker whose question fails would otherwise ask again at once.
    const mark = await Promise.race([this.asked.catch(() => (this.isStopped ? null : late)), late]);
    answered.abort();
    return mark;
  }

  /** Ends the wait, for good. */
  stop(): void {
    this.isStopped = true;
    this.client.disconnect();
  }

  private async ask(seconds: number): Promise<Mark | null> {
    try {
      const [, member, score] = (await this.client.bzpopmin(this.key, seconds)) ?? [];
      return member === undefined ? null : { member, score: Number(score) };
    } catch (error) {
      if (!this.isStopped) this.onError(error);
      throw error;
    } finally {
      this.asked = null;
    }
  }
}
