import { Controller, Get, type OnModuleDestroy, Res } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { HealthCheckResult } from '@nestjs/terminus';
import type { Response } from 'express';
import { Wants } from '../http/wants.js';
import { Readiness } from './readiness.js';

/** Liveness and readiness of the process. */
@ApiTags('operations')
@Wants('public')
@Controller('health')
export class HealthController implements OnModuleDestroy {
  private isDraining = false;

  constructor(private readonly readiness: Readiness) {}

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
    return this.answer(response);
  }

  @Get()
  @ApiOperation({ summary: 'The same as /health/ready' })
  @ApiResponse({ status: 200, description: 'both answer' })
  @ApiResponse({ status: 503, description: 'one of them does not answer, or the process is stopping' })
  both(@Res({ passthrough: true }) response: Response): Promise<HealthCheckResult> {
    return this.answer(response);
  }

  private async answer(response: Response): Promise<HealthCheckResult> {
    if (this.isDraining) {
      response.status(503);
      return { status: 'shutting_down', info: {}, error: {}, details: {} };
    }
    const verdict = await this.readiness.verdict();
    if (verdict.status !== 'ok') response.status(503).set('Retry-After', '2');
    return verdict;
  }
}
