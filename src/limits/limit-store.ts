import type { EntityManager } from '@mikro-orm/postgresql';
import type { Cluster, Redis } from 'ioredis';
import { setTimeout as delay } from 'node:timers/promises';
import { acrossSources } from '../platform/source-isolation.js';
import {
  type RateLimiterAbstract,
  RateLimiterMemory,
  RateLimiterPostgres,
  RateLimiterRedis,
} from 'rate-limiter-flexible';
import type { Config } from '../platform/config.js';
import { redisClient } from '../platform/queue.js';

/** A store that needs longer than this to say anything is taken for away. */
const PATIENCE_MS = 2_000;

/** A database that was away is left alone for so long; each process counts by itself meanwhile. */
const AWAY_MS = 5_000;

/** What is counted: how many within a window of so many seconds. */
export interface Limit {
  name: string;
  points: number;
  windowSeconds: number;
}

/** Where counts are kept for all instances: in Redis if there is one, else in PostgreSQL. While it is away, in memory. */
export class LimitStore {
  private readonly redis: Redis | Cluster | null;

  constructor(
    private readonly em: EntityManager,
    private readonly config: Config,
  ) {
    this.redis =
      config.REDIS_URL === undefined
        ? null
        : redisClient(config.REDIS_URL, {
            lazyConnect: true,
            enableOfflineQueue: false,
            connectTimeout: PATIENCE_MS,
            commandTimeout: PATIENCE_MS,
            maxRetriesPerRequest: 0,
            // Nothing is under way then that anybody waits for; ioredis keeps the process for so long.
            disconnectTimeout: 100,
          });
    this.redis?.on('error', () => undefined);
  }

  /** Tries to be there for the first request; if that fails, it goes on trying. */
  async connect(): Promise<void> {
    const connected = this.redis?.connect().catch(() => undefined);
    await Promise.race([connected, delay(PATIENCE_MS, undefined, { ref: false })]);
  }

  close(): void {
    this.redis?.disconnect();
  }

  counter({ name, points, windowSeconds: duration }: Limit): RateLimiterAbstract {
    const insuranceLimiter = new RateLimiterMemory({ points, duration });
    const { redis } = this;
    if (redis) {
      const keyPrefix = `${this.config.QUEUE_PREFIX}:limit:${name}`;
      return new RateLimiterRedis({
        storeClient: redis,
        keyPrefix,
        points,
        duration,
        insuranceLimiter,
        rejectIfRedisNotReady: true,
      });
    }
    return new RateLimiterPostgres({
      storeClient: databaseClient(this.em),
      storeType: 'client',
      keyPrefix: name,
      points,
      duration,
      insuranceLimiter,
      tableName: 'rate_limit',
      // By a migration; and a cleaner of ours, which ends with the process.
      tableCreated: true,
      clearExpiredByTimeout: false,
    });
  }
}

/** A statement with numbered parameters, as drivers take them. */
interface Statement {
  text: string;
  values: unknown[];
}

/** The ORM's pool in the shape of a client. The statements lose their names: prepared ones do not pass a pooler. */
function databaseClient(em: EntityManager) {
  let awayUntil = 0;
  return {
    async query({ text, values }: Statement): Promise<{ rows: unknown[]; rowCount: number }> {
      if (Date.now() < awayUntil) throw new Error('the database was away a moment ago');
      const used: unknown[] = [];
      const sql = text.replaceAll(/\$(\d)/g, (_, number: string) => {
        used.push(values[Number(number) - 1]);
        return '?';
      });
      const answer = acrossSources(() => em.fork().execute<unknown[]>(sql, used));
      answer.catch(() => undefined);
      try {
        const rows = await Promise.race([answer, delay(PATIENCE_MS, null, { ref: false })]);
        if (rows === null) throw new Error('the database does not answer in time');
        return { rows, rowCount: rows.length };
      } catch (error) {
        awayUntil = Date.now() + AWAY_MS;
        throw error;
      }
    },
  };
}
