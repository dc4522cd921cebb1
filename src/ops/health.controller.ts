import { MikroORM } from '@mikro-orm/postgresql';
import { Controller, Get, Inject, type OnModuleDestroy, Res } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import { HealthCheckService, HealthIndicatorService, type HealthCheckResult } from '@nestjs/terminus';
import type { Response } from 'express';
import { setTimeout as delay } from 'node:timers/promises';
import { CONFIG, type Config } from '../platform/config.js';
import { pingRedis } from '../platform/redis.js';
import { Wants } from '../platform/wants.js';

/** A service that has not answered by then counts as unavailable. */
const ANSWER_TIMEOUT_MS = 2_000;

/** Liveness and readiness of the process. */
@ApiTags('operations')
@Wants('public')
@Controller('health')
export class HealthController implements OnModuleDestroy {
  private isDraining = false;

  constructor(
    private readonly health: HealthCheckService,
    private readonly indicators: HealthIndicatorService,
    private readonly orm: MikroORM,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** The first thing that Nest calls at a stop, before jobs and requests under way are waited for. */
  onModuleDestroy(): void {
    this.isDraining = true;
  }

  @Get('live')
  @ApiOperation({ summary: 'Whether the process is alive' })
  live(): { status: string } {
    return { status: 'ok' };
  }

  @Get('ready')
  @ApiOperation({ summary: 'Whether the database and the queue answer, and the process is not about to stop' })
  @ApiResponse({ status: 200, description: 'both answer' })
  @ApiResponse({ status: 503, description: 'one of them does not answer, or the process is stopping' })
  ready(@Res({ passthrough: true }) response: Response): Promise<HealthCheckResult> {
    return this.check(response);
  }

  @Get()
  @ApiOperation({ summary: 'The same as /health/ready' })
  @ApiResponse({ status: 200, description: 'both answer' })
  @ApiResponse({ status: 503, description: 'one of them does not answer, or the process is stopping' })
  both(@Res({ passthrough: true }) response: Response): Promise<HealthCheckResult> {
    return this.check(response);
  }

  private async check(response: Response): Promise<HealthCheckResult> {
    if (this.isDraining) {
      response.status(503);
      return { status: 'shutting_down', info: {}, error: {}, details: {} };
    }
    try {
      return await this.health.check([
        () => this.indicate('postgresql', () => this.askDatabase()),
        ...(this.config.REDIS_URL
          ? [() => this.indicate('redis', () => this.askRedis(this.config.REDIS_URL ?? ''))]
          : []),
      ]);
    } catch (error) {
      const result = (error as { getResponse?: () => unknown }).getResponse?.();
      if (!result) throw error;
      response.status(503).set('Retry-After', '2');
      return result as HealthCheckResult;
    }
  }

  private async indicate(name: string, ask: () => Promise<boolean>) {
    const indicator = this.indicators.check(name);
    return (await ask().catch(() => false)) ? indicator.up() : indicator.down();
  }

  private async askDatabase(): Promise<boolean> {
    const answer = this.orm.em
      .fork()
      .execute('select 1')
      .then(() => true);
    answer.catch(() => undefined);
    return Promise.race([answer, delay(ANSWER_TIMEOUT_MS, false, { ref: false })]);
  }

  private askRedis(url: string): Promise<boolean> {
    return pingRedis(url, ANSWER_TIMEOUT_MS);
  }
}
