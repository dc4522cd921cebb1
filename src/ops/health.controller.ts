import { Controller, Get, Res } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { HealthCheckResult } from '@nestjs/terminus';
import type { Response } from 'express';
import { Wants } from '../platform/wants.js';
import { Readiness } from './readiness.js';

/** Liveness and readiness of the process. */
@ApiTags('operations')
@Wants('public')
@Controller('health')
export class HealthController {
  constructor(private readonly readiness: Readiness) {}

  @Get('live')
  @ApiOperation({ summary: 'Whether the process is alive' })
  live(): { status: string } {
    return { status: 'ok' };
  }

  @Get('ready')
  @ApiOperation({ summary: 'Whether the database and the queue answer' })
  @ApiResponse({ status: 200, description: 'both answer' })
  @ApiResponse({ status: 503, description: 'one of them does not answer' })
  ready(@Res({ passthrough: true }) response: Response): Promise<HealthCheckResult> {
    return this.answer(response);
  }

  @Get()
  @ApiOperation({ summary: 'The same as /health/ready' })
  @ApiResponse({ status: 200, description: 'both answer' })
  @ApiResponse({ status: 503, description: 'one of them does not answer' })
  both(@Res({ passthrough: true }) response: Response): Promise<HealthCheckResult> {
    return this.answer(response);
  }

  private async answer(response: Response): Promise<HealthCheckResult> {
    const verdict = await this.readiness.verdict();
    if (verdict.status !== 'ok') response.status(503).set('Retry-After', '2');
    return verdict;
  }
}
