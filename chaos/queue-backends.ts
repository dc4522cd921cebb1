import { Redis } from 'ioredis';
import { setTimeout as delay } from 'node:timers/promises';
import { queueSchema } from '../src/platform/queue.js';
import { TcpProxy } from '../test/http/tcp-proxy.js';
import type { Database } from './database.js';
import type { World } from './world.js';

/** Ours alone: it is flushed. Other numbers of this Redis belong to others. */
const REDIS_URL = 'redis://127.0.0.1:6379/9';

const PREFIX = 'chaos';
const CUT_AGAIN_MS = 200;

/** What can befall the queue that the workers get their hints from. */
export interface QueueBackend {
  /** For the server's processes. */
  settings: Record<string, string>;
  /** Loses all that the queue holds. */
  flush(): Promise<void>;
  /** Takes the queue away for a while. */
  cut(milliseconds: number): Promise<void>;
  close(): Promise<void>;
}

/** BullMQ's tables beside ours. */
export function queueInPostgres(database: Database, world: World): QueueBackend {
  const schema = queueSchema(PREFIX);
  return {
    settings: { QUEUE_PREFIX: PREFIX },
    // Rather not at all than in the way of others: the workers keep on writing there.
    flush: async () => {
      const tables = await database.query<{ name: string }>(
        `select format('%I.%I', schemaname, tablename) as name from pg_tables
          where schemaname = $1 and tablename not in ('meta', 'migration')`,
        [schema],
      );
      await database.query(
        `set lock_timeout = '3s'; truncate ${tables.map(({ name }) => name).join(', ')} restart identity`,
      );
    },
    cut: async (milliseconds) => {
      world.isQueueAway = true;
      try {
        for (const end = Date.now() + milliseconds; Date.now() < end; await delay(CUT_AGAIN_MS)) {
          await database.terminateBackends('^counterpart queue$', () => true);
        }
      } finally {
        world.isQueueAway = false;
      }
    },
    close: async () => undefined,
  };
}

/** Redis behind a way that can be cut. */
export async function queueInRedis(world: World): Promise<QueueBackend> {
  const redis = new Redis(REDIS_URL, { maxRetriesPerRequest: 3 });
  await redis.flushdb();
  const proxy = await TcpProxy.to(REDIS_URL, 6379);
  return {
    settings: { QUEUE_PREFIX: PREFIX, REDIS_URL: proxy.way(REDIS_URL) },
    flush: async () => void (await redis.flushdb()),
    cut: async (milliseconds) => {
      world.isQueueAway = true;
      await proxy.cut();
      await delay(milliseconds);
      await proxy.mend();
      world.isQueueAway = false;
    },
    close: async () => {
      await proxy.cut();
      await redis.flushdb();
      redis.disconnect();
    },
  };
}
