import { type DynamicModule, Module } from '@nestjs/common';
import { TerminusModule } from '@nestjs/terminus';
import { DatabaseMetrics } from './database-metrics.js';
import { HealthController } from './health.controller.js';
import { Metrics } from './metrics.js';
import { MetricsController } from './metrics.controller.js';
import { QUEUE_NAMES, QueueMetrics } from './queue-metrics.js';
import { Readiness } from './readiness.js';
import { RequestMetrics } from './request-metrics.js';

/** Health and metrics, for operators. Every role has it. */
@Module({})
export class OpsModule {
  /** @param queueNames the queues whose depth is shown */
  static withQueues(queueNames: string[]): DynamicModule {
    return {
      module: OpsModule,
      imports: [TerminusModule.forRoot({ logger: false })],
      controllers: [HealthController, MetricsController],
      providers: [
        Metrics,
        DatabaseMetrics,
        QueueMetrics,
        Readiness,
        RequestMetrics,
        { provide: QUEUE_NAMES, useValue: queueNames },
      ],
      exports: [RequestMetrics],
    };
  }
}
