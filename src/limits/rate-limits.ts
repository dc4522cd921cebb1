import { EntityManager } from '@mikro-orm/postgresql';
import { Inject, Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import type { NextFunction, Request, Response } from 'express';
import { Counter, Registry } from 'prom-client';
import { callerAddress } from '../http/caller-address.js';
import { CONFIG, type Config } from '../settings/config.js';
import { sendProblem } from '../http/problem.filter.js';
import { reviewRefusals } from '../http/refusal-review.js';
import { Refusal } from '../http/refusal.js';
import { addressGroup } from './address-group.js';
import { countedKeys } from './counted-keys.js';
import { LimitStore } from './limit-store.js';
import { type Count, SharedCounter } from './shared-counter.js';

const WINDOW_SECONDS = 60;

const UNAUTHORIZED = 401;

/**
 * Health checks are answered even if somebody at the same address has used up its limit. They match exactly, as the paths
 * that need no key do: below or beside them, wrong keys could be tried without a limit.
 */
const EXEMPT = new Set(['/health', '/health/live', '/health/ready']);

/**
 * Limits the requests per minute of one key and of one address, and the wrong keys per minute of one address, over all
 * instances together.
 */
@Injectable()
export class RateLimits implements OnModuleInit, OnApplicationShutdown {
  private readonly store: LimitStore;
  private readonly requests: Record<'address' | 'key', SharedCounter> | null;
  private readonly wrongKeys: SharedCounter | null;
  private readonly limited: Counter<'limit'>;
  private readonly unauthorized: Counter<'key'>;

  constructor(em: EntityManager, @Inject(CONFIG) config: Config, registry: Registry) {
    const fallbacks = new Counter({
      name: 'counterpart_rate_limit_fallbacks_total',
      help: 'Draws from a limit that this process counted by itself, because the store that all processes share was away',
      registers: [registry],
    });
    this.store = new LimitStore(em, config, () => fallbacks.inc());
    const { RATE_LIMIT_PER_MINUTE: perMinute, WRONG_KEYS_PER_MINUTE: wrong } = config;
    this.requests =
      perMinute === 0 ? null : { address: this.counter('a', perMinute), key: this.counter('k', perMinute) };
    this.wrongKeys = wrong === 0 ? null : this.counter('w', wrong);
    this.limited = new Counter({
      name: 'counterpart_rate_limited_total',
      help: 'Requests that were refused with 429, by the limit: of an address, of a key, of wrong keys from an address, of a route',
      labelNames: ['limit'],
      registers: [registry],
    });
    this.unauthorized = new Counter({
      name: 'counterpart_unauthorized_total',
      help: 'Requests with a wrong key, or without one where one is required',
      labelNames: ['key'],
      registers: [registry],
    });
  }

  onModuleInit(): Promise<void> {
    return this.store.connect();
  }

  onApplicationShutdown(): void {
    this.store.close();
  }

  /** The middleware. It must come before anything that costs something. */
  readonly check = async (request: Request, response: Response, next: NextFunction): Promise<void> => {
    if (EXEMPT.has(request.path)) {
      next();
      return;
    }
    const [address, keys] = [addressGroup(callerAddress(request)), countedKeys(request)];
    reviewRefusals(response, (refusal) => this.review(refusal, address, keys.length > 0));
    const refusal = await this.count(response, address, keys);
    if (refusal) sendProblem(response, refusal);
    else next();
  };

  /** A counter of up to `perMinute` a minute, over all instances, under a name of its own. */
  counter(name: string, perMinute: number): SharedCounter {
    return new SharedCounter(this.store.counter({ name, points: perMinute, windowSeconds: WINDOW_SECONDS }), perMinute);
  }

  /** Sets the headers that say how many more requests there may be. */
  setHeaders(response: Response, { limit, remaining, resetSeconds }: Count): void {
    response.setHeader('RateLimit-Limit', limit);
    response.setHeader('RateLimit-Remaining', remaining);
    response.setHeader('RateLimit-Reset', resetSeconds);
  }

  /** The refusal of a request beyond a limit, which it also counts in the metrics under the kind of the limit. */
  refuse(limit: 'address' | 'key' | 'wrong_keys' | 'route', { resetSeconds }: Count, detail: string): Refusal {
    this.limited.inc({ limit });
    return new Refusal(429, 'rate_limited', detail, { headers: { 'Retry-After': String(resetSeconds) } });
  }

  /** Counts a request and sets the headers of its answer. @returns a refusal if a limit is exceeded */
  private async count(response: Response, address: string, keys: string[]): Promise<Refusal | null> {
    if (!this.requests) return null;
    const { key: byKey, address: byAddress } = this.requests;
    const ofAddress = await byAddress.take(address);
    // No keys are counted from an address that has reached its limit: it could make up new ones with each request.
    const ofKeys = ofAddress.isExceeded ? [] : await Promise.all(keys.map((key) => byKey.take(key)));
    const tightest = ofKeys.reduce((one, other) => (isTighter(other, one) ? other : one), ofAddress);
    this.setHeaders(response, tightest);
    if (!tightest.isExceeded) return null;
    const limit = tightest === ofAddress ? 'address' : 'key';
    return this.refuse(limit, tightest, `At most ${tightest.limit} requests a minute.`);
  }

  /**
   * Answers a wrong key beyond the limit with 429 instead of 401. A valid key from the same address is not affected.
   */
  private async review(refusal: Refusal, address: string, hasKey: boolean): Promise<Refusal> {
    if (refusal.status !== UNAUTHORIZED) return refusal;
    this.unauthorized.inc({ key: hasKey ? 'wrong' : 'none' });
    if (!this.wrongKeys || !hasKey) return refusal;
    const count = await this.wrongKeys.take(address);
    if (!count.isExceeded) return refusal;
    return this.refuse('wrong_keys', count, 'Too many wrong keys from this address.');
  }
}

function isTighter(one: Count, other: Count): boolean {
  return one.isExceeded === other.isExceeded ? one.remaining < other.remaining : one.isExceeded;
}
