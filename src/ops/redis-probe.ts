import type { Redis } from 'ioredis';
import { redisProbeClient } from '../platform/queue.js';
import { within } from '../platform/queue-call.js';

/**
 * Asks Redis whether it answers. The connection is kept while it does: one for each question would be a way to use up those
 * of Redis. After any failure the next question opens a new one, as the old one may hang.
 */
export class RedisProbe {
  private client: Redis | null = null;

  constructor(
    private readonly url: string,
    private readonly timeoutMs: number,
  ) {}

  /** Whether it answers in time. Never rejects. */
  async answers(): Promise<boolean> {
    // Redis may have closed an idle connection, which says nothing about the next one.
    if (this.client?.status !== 'ready') this.close();
    try {
      return (await within(this.timeoutMs, this.ping())) === 'PONG';
    } catch {
      this.close();
      return false;
    }
  }

  close(): void {
    this.client?.disconnect();
    this.client = null;
  }

  private async ping(): Promise<string> {
    const isNew = this.client === null;
    const client = (this.client ??= redisProbeClient(this.url, this.timeoutMs));
    if (isNew) await client.connect();
    return client.ping();
  }
}
