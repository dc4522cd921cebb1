import type { EntityManager } from '@mikro-orm/postgresql';
import type { Cluster, Redis } from 'ioredis';
import { setTimeout as delay } from 'node:timers/promises';
import { acrossSources } from '../database/source-isolation.js';
import {
  type RateLimiterAbstract,
  RateLimiterMemory,
  RateLimiterPostgres,
  RateLimiterRedis,
} from 'rate-limiter-flexible';
import type { Config } from '../settings/config.js';
import { redisClient } from '../queue/redis.js';

/** A store that takes longer than this to answer counts as away. */
const ANSWER_TIMEOUT_MS = 2_000;

/** How long a database that was away is not asked again; meanwhile each process counts by itself. */
const RETRY_AFTER_MS = 5_000;

/** At most `points` within a window of `windowSeconds`. */
export interface Limit {
  name: string;
  points: number;
  windowSeconds: number;
}

/** Keeps counts for all instances: in Redis if there is one, otherwise in PostgreSQL; in memory while that is away. */
export class LimitStore {
  private readonly redis: Redis | Cluster | null;

  constructor(
    private readonly em: EntityManager,
    private readonly config: Config,
    /** Called for each count that is kept in memory, because the store is away. */
    private readonly onFallback: () => void = () => undefined,
  ) {
    this.redis =
      config.REDIS_URL === undefined
        ? null
        : redisClient(config.REDIS_URL, {
            lazyConnect: true,
            enableOfflineQueue: false,
            connectTimeout: ANSWER_TIMEOUT_MS,
            commandTimeout: ANSWER_TIMEOUT_MS,
            maxRetriesPerRequest: 0,
            // At that time no caller waits for an answer. ioredis keeps the process alive for this long.
            disconnectTimeout: 100,
          });
    this.redis?.on('error', () => undefined);
  }

  /** Tries to connect before the first request; if that fails, ioredis keeps trying. */
  async connect(): Promise<void> {
    const connected = this.redis?.connect().catch(() => undefined);
    await Promise.race([connected, delay(ANSWER_TIMEOUT_MS, undefined, { ref: false })]);
  }

  close(): void {
    this.redis?.disconnect();
  }

  counter({ name, points, windowSeconds: duration }: Limit): RateLimiterAbstract {
    const insuranceLimiter = new FallbackLimiter({ points, duration }, this.onFallback);
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
      // A migration creates the table, and LimitCleaner, which stops with the process, clears it.
      tableCreated: true,
      clearExpiredByTimeout: false,
    });
  }
}

/** Counts in memory while the store is away, and reports each time that it does. */
class FallbackLimiter extends RateLimiterMemory {
  constructor(
    limit: { points: number; duration: number },
    private readonly onUse: () => void,
  ) {
    super(limit);
  }

  override consume(...counted: Parameters<RateLimiterMemory['consume']>): ReturnType<RateLimiterMemory['consume']> {
    this.onUse();
    return super.consume(...counted);
  }
}

/** A statement with numbered parameters, as drivers take them. */
interface Statement {
  text: string;
  values: unknown[];
}

/** Wraps the ORM's pool as a `pg` client. Statements lose their names, as prepared statements fail behind a pooler. */
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
        const rows = await Promise.race([answer, delay(ANSWER_TIMEOUT_MS, null, { ref: false })]);
        if (rows === null) throw new Error('the database does not answer in time');
        return { rows, rowCount: rows.length };
      } catch (error) {
        awayUntil = Date.now() + RETRY_AFTER_MS;
        throw error;
      }
    },
  };
}
