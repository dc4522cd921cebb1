import { Redis } from 'ioredis';
import { setTimeout as delay } from 'node:timers/promises';
import { queueSchema } from '../src/queue/queue.js';
import { TcpProxy } from '../test/http/tcp-proxy.js';
import type { Database } from './database.js';
import type { Availability } from './availability.js';

/** Used by the chaos run alone, as it is flushed. Tests use other database numbers of this Redis. */
const REDIS_URL = 'redis://127.0.0.1:6379/9';

const PREFIX = 'chaos';
const CUT_AGAIN_MS = 200;

/** The faults of the queue from which the workers get their notifications. */
export interface QueueBackend {
  /** For the server's processes. */
  settings: Record<string, string>;
  /** Deletes everything that the queue holds. */
  flush(): Promise<void>;
  /** Makes the queue unreachable for a while. */
  cut(milliseconds: number): Promise<void>;
  close(): Promise<void>;
}

/** BullMQ's tables beside ours. */
export function queueInPostgres(database: Database, availability: Availability): QueueBackend {
  const schema = queueSchema(PREFIX);
  return {
    settings: { QUEUE_PREFIX: PREFIX },
    // Gives up rather than block the workers, which keep writing to these tables.
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
      availability.isQueueAway = true;
      try {
        for (const end = Date.now() + milliseconds; Date.now() < end; await delay(CUT_AGAIN_MS)) {
          await database.terminateBackends('^counterpart queue$', () => true);
        }
      } finally {
        availability.isQueueAway = false;
      }
    },
    close: async () => undefined,
  };
}

/** Redis behind a proxy whose connections can be cut. */
export async function queueInRedis(availability: Availability): Promise<QueueBackend> {
  const redis = new Redis(REDIS_URL, { maxRetriesPerRequest: 3 });
  await redis.flushdb();
  const proxy = await TcpProxy.to(REDIS_URL, 6379);
  return {
    settings: { QUEUE_PREFIX: PREFIX, REDIS_URL: proxy.way(REDIS_URL) },
    flush: async () => void (await redis.flushdb()),
    cut: async (milliseconds) => {
      availability.isQueueAway = true;
      await proxy.cut();
      await delay(milliseconds);
      await proxy.mend();
      availability.isQueueAway = false;
    },
    close: async () => {
      await proxy.cut();
      await redis.flushdb();
      redis.disconnect();
    },
  };
}
