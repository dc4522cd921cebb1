import { Controller, Get, Res } from '@nestjs/common';
import { ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { Wants } from '../http/wants.js';
import { Metrics } from './metrics.js';

@ApiTags('operations')
@Wants('ops')
@Controller('metrics')
export class MetricsController {
  constructor(private readonly metrics: Metrics) {}

  @Get()
  @ApiOperation({ summary: 'Metrics for Prometheus' })
  @ApiProduces('text/plain')
  async get(@Res() response: Response): Promise<void> {
    const text = await this.metrics.render();
    response.set('Content-Type', this.metrics.registry.contentType).send(text);
  }
}
