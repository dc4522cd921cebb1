import type { Redis } from 'ioredis';
import { within } from '../queue/queue-call.js';
import { redisNodes, type RedisNode } from '../queue/redis.js';

/** Asks Redis whether it answers; of a cluster, whether any of the nodes does and finds all keys served. */
export class RedisProbe {
  private readonly nodes: NodeProbe[];

  constructor(url: string, timeoutMs: number) {
    this.nodes = redisNodes(url, timeoutMs).map((node) => new NodeProbe(node, timeoutMs));
  }

  /** Whether it answers in time. Never rejects. */
  answers(): Promise<boolean> {
    return Promise.any(this.nodes.map((node) => node.mustAnswer())).then(
      () => true,
      () => false,
    );
  }

  close(): void {
    for (const node of this.nodes) node.close();
  }
}

/**
 * Keeps the connection to a server while it answers: one for each question would be a way to use up those of Redis. After
 * any failure the next question opens a new one, as the old one may hang.
 */
class NodeProbe {
  private client: Redis | null = null;

  constructor(
    private readonly node: RedisNode,
    private readonly timeoutMs: number,
  ) {}

  /** @throws Error if it does not answer in time, or not well */
  async mustAnswer(): Promise<void> {
    // Redis may have closed an idle connection, which says nothing about the next one.
    if (this.client?.status !== 'ready') this.close();
    try {
      if (!(await within(this.timeoutMs, this.ask()))) throw new Error('Redis cannot serve all keys');
    } catch (error) {
      this.close();
      throw error;
    }
  }

  close(): void {
    this.client?.disconnect();
    this.client = null;
  }

  private async ask(): Promise<boolean> {
    const isNew = this.client === null;
    const client = (this.client ??= this.node.open());
    if (isNew) await client.connect();
    return this.node.ask(client);
  }
}
