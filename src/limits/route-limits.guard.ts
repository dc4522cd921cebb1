import { type CanActivate, type ExecutionContext, Inject, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { Request, Response } from 'express';
import { callerAddress } from '../http/caller-address.js';
import { callerOf } from '../http/caller.js';
import { callerSource } from '../http/caller-source.js';
import { CONFIG, type Config } from '../settings/config.js';
import { ROUTE_LIMIT, type RouteLimit } from './route-limit.js';
import { addressGroup } from './address-group.js';
import { RateLimits } from './rate-limits.js';
import type { SharedCounter } from './shared-counter.js';

/**
 * Counts the calls of routes that have a limit of their own (`@LimitedBy`), by caller: by key, or, where no key is
 * required, by address and source. Each call that passes authentication counts, whatever its result; calls that are
 * refused with 429 do not, so waiting for the end of the window always helps. Runs after the guard that identifies the
 * caller and before anything that reads the request.
 */
@Injectable()
export class RouteLimits implements CanActivate {
  private readonly counters = new Map<RouteLimit, SharedCounter>();

  constructor(
    private readonly reflector: Reflector,
    private readonly limits: RateLimits,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** @throws Refusal 429 */
  async canActivate(context: ExecutionContext): Promise<boolean> {
    const setting = this.reflector.get<RouteLimit | undefined>(ROUTE_LIMIT, context.getHandler());
    if (setting === undefined) return true;
    const count = await this.counterOf(setting).take(callerKey(context.switchToHttp().getRequest<Request>()));
    this.limits.setHeaders(context.switchToHttp().getResponse<Response>(), count);
    if (count.isExceeded) throw this.limits.refuse('route', count, `At most ${count.limit} calls of this a minute.`);
    return true;
  }

  private counterOf(setting: RouteLimit): SharedCounter {
    const known = this.counters.get(setting);
    if (known) return known;
    const counter = this.limits.counter(setting.toLowerCase(), this.config[setting]);
    this.counters.set(setting, counter);
    return counter;
  }
}

function callerKey(request: Request): string {
  const { keyId } = callerOf(request);
  return keyId ?? `${addressGroup(callerAddress(request))} ${callerSource(request)}`;
}
