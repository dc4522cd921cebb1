import { MikroORM } from '@mikro-orm/postgresql';
import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { HealthCheckService, HealthIndicatorService, type HealthCheckResult } from '@nestjs/terminus';
import { CONFIG, type Config } from '../settings/config.js';
import { within } from '../queue/queue-call.js';
import { RedisProbe } from './redis-probe.js';

/** A service that has not answered by then counts as unavailable. */
const ANSWER_TIMEOUT_MS = 2_000;

/** How long a verdict is given again: anybody may ask, as often as they like, and no limit counts it. */
const MAX_AGE_MS = 1_000;

/** Whether the services that the process needs answer. They are asked once a second at most, however often this is. */
@Injectable()
export class Readiness implements OnApplicationShutdown {
  private readonly redis: RedisProbe | null;
  private checking: Promise<HealthCheckResult> | null = null;

  constructor(
    private readonly health: HealthCheckService,
    private readonly indicators: HealthIndicatorService,
    private readonly orm: MikroORM,
    @Inject(CONFIG) config: Config,
  ) {
    this.redis = config.REDIS_URL === undefined ? null : new RedisProbe(config.REDIS_URL, ANSWER_TIMEOUT_MS);
  }

  /** A verdict that is at most a second old. */
  verdict(): Promise<HealthCheckResult> {
    this.checking ??= this.check().finally(() => {
      setTimeout(() => (this.checking = null), MAX_AGE_MS).unref();
    });
    return this.checking;
  }

  onApplicationShutdown(): void {
    this.redis?.close();
  }

  private async check(): Promise<HealthCheckResult> {
    const { redis } = this;
    try {
      return await this.health.check([
        () => this.indicate('postgresql', () => this.askDatabase()),
        ...(redis ? [() => this.indicate('redis', () => redis.answers())] : []),
      ]);
    } catch (error) {
      const result = (error as { getResponse?: () => unknown }).getResponse?.();
      if (!result) throw error;
      return result as HealthCheckResult;
    }
  }

  private async indicate(name: string, ask: () => Promise<boolean>) {
    const indicator = this.indicators.check(name);
    return (await ask().catch(() => false)) ? indicator.up() : indicator.down();
  }

  private async askDatabase(): Promise<boolean> {
    await within(ANSWER_TIMEOUT_MS, this.orm.em.fork().execute('select 1'));
    return true;
  }
}
