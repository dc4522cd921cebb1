import { EntityManager } from '@mikro-orm/postgresql';
import { Inject, Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import type { NextFunction, Request, Response } from 'express';
import { Counter, Registry } from 'prom-client';
import { callerAddress } from '../platform/caller-address.js';
import { CONFIG, type Config } from '../platform/config.js';
import { sendProblem } from '../platform/problem.filter.js';
import { reviewRefusals } from '../platform/refusal-review.js';
import { Refusal } from '../platform/refusal.js';
import { addressGroup } from './address-group.js';
import { LimitStore } from './limit-store.js';
import { presentedKey } from './counted-keys.js';
import { type Count, SharedCounter } from './shared-counter.js';

const WINDOW_SECONDS = 60;

const UNAUTHORIZED = 401;

/** Whoever asks whether the process lives gets an answer, however busy somebody keeps it from the same address. */
const EXEMPT = /^\/health(\/|$)/;

/**
 * How much one caller may ask: so many requests a minute under one key and from one address, and so many wrong keys from
 * one address. Over all instances.
 */
@Injectable()
export class RateLimits implements OnModuleInit, OnApplicationShutdown {
  private readonly store: LimitStore;
  private readonly requests: Record<'address' | 'key', SharedCounter> | null;
  private readonly wrongKeys: SharedCounter | null;
  private readonly limited: Counter<'limit'>;
  private readonly unauthorized: Counter<'key'>;

  constructor(em: EntityManager, @Inject(CONFIG) config: Config, registry: Registry) {
    this.store = new LimitStore(em, config);
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
      help: 'Requests with a wrong key, or with none where one is wanted',
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

  /** The middleware: to come before all that costs something. */
  readonly check = async (request: Request, response: Response, next: NextFunction): Promise<void> => {
    if (EXEMPT.test(request.path)) {
      next();
      return;
    }
    const [address, key] = [addressGroup(callerAddress(request)), presentedKey(request)];
    reviewRefusals(response, (refusal) => this.review(refusal, address, key));
    const refusal = await this.judge(response, address, key);
    if (refusal) sendProblem(response, refusal);
    else next();
  };

  /** A count of up to so many a minute, over all instances, under a name of its own. */
  counter(name: string, perMinute: number): SharedCounter {
    return new SharedCounter(this.store.counter({ name, points: perMinute, windowSeconds: WINDOW_SECONDS }), perMinute);
  }

  /** Says in an answer's headers how many more there may be. */
  tell(response: Response, { limit, remaining, resetSeconds }: Count): void {
    response.setHeader('RateLimit-Limit', limit);
    response.setHeader('RateLimit-Remaining', remaining);
    response.setHeader('RateLimit-Reset', resetSeconds);
  }

  /** How one too many is refused, and counted in the metrics under the limit's kind. */
  refuse(limit: 'address' | 'key' | 'wrong_keys' | 'route', { resetSeconds }: Count, detail: string): Refusal {
    this.limited.inc({ limit });
    return new Refusal(429, 'rate_limited', detail, { headers: { 'Retry-After': String(resetSeconds) } });
  }

  /** Counts a request, and says in its answer's headers how many more there may be. @returns how it is refused, if so */
  private async judge(response: Response, address: string, key: string | null): Promise<Refusal | null> {
    if (!this.requests) return null;
    const ofAddress = await this.requests.address.take(address);
    // Of an address that may ask no more, keys are not counted: it could make up new ones each time.
    const ofKey = key === null || ofAddress.isExceeded ? null : await this.requests.key.take(key);
    const isKeyTighter = ofKey !== null && (ofKey.isExceeded || ofKey.remaining < ofAddress.remaining);
    const tighter = isKeyTighter ? ofKey : ofAddress;
    this.tell(response, tighter);
    if (!tighter.isExceeded) return null;
    return this.refuse(isKeyTighter ? 'key' : 'address', tighter, `At most ${tighter.limit} requests a minute.`);
  }

  /** A wrong key too many is a 429 instead of a 401. A right one from the same address is none the worse for it. */
  private async review(refusal: Refusal, address: string, key: string | null): Promise<Refusal> {
    if (refusal.status !== UNAUTHORIZED) return refusal;
    this.unauthorized.inc({ key: key === null ? 'none' : 'wrong' });
    if (!this.wrongKeys || key === null) return refusal;
    const count = await this.wrongKeys.take(address);
    if (!count.isExceeded) return refusal;
    return this.refuse('wrong_keys', count, 'Too many wrong keys from this address.');
  }
}
