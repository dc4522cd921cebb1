import { Inject, Injectable } from '@nestjs/common';
import { collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { CONFIG, type Config } from '../settings/config.js';
import { DatabasePool } from '../database/database-pool.js';
import { VERSION } from '../values/version.js';
import { DatabaseMetrics } from './database-metrics.js';
import { QueueMetrics } from './queue-metrics.js';

/** The metrics for Prometheus: of the process, the database and the queues, never any data of records. */
@Injectable()
export class Metrics {
  /** Durations by route pattern, not by path: paths hold ids. */
  readonly requests = new Histogram({
    name: 'counterpart_http_request_seconds',
    help: 'Duration of HTTP requests in seconds, refused ones too; route none: refused before a route was found, or no route',
    labelNames: ['method', 'route', 'status'] as const,
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60],
    registers: [this.registry],
  });

  private readonly connections = new Gauge({
    name: 'counterpart_database_connections',
    help: 'Connections of the pool of this process by state',
    labelNames: ['state'] as const,
    registers: [this.registry],
  });
  private readonly waiting = new Gauge({
    name: 'counterpart_database_pool_waiting',
    help: 'Requests and jobs of this process that wait for a connection of the pool',
    registers: [this.registry],
  });

  constructor(
    /** The process's registry; other modules add their metrics to it. */
    readonly registry: Registry,
    private readonly pool: DatabasePool,
    private readonly database: DatabaseMetrics,
    private readonly queues: QueueMetrics,
    @Inject(CONFIG) { ROLE: role }: Config,
  ) {
    collectDefaultMetrics({ register: this.registry });
    new Gauge({
      name: 'counterpart_build_info',
      help: 'Always 1; the labels say which version this is and what the process does',
      labelNames: ['version', 'node', 'role'] as const,
      registers: [this.registry],
    }).set({ version: VERSION, node: process.version, role }, 1);
  }

  /** Prometheus' text format, as everything is now. What cannot be reached is left out, and its `up` is 0. */
  async render(): Promise<string> {
    // Before this request itself uses the pool.
    const { waiting, ...states } = this.pool.state();
    this.waiting.set(waiting);
    for (const [state, count] of Object.entries(states)) this.connections.set({ state }, count);
    await Promise.all([this.database.collect(), this.queues.collect()]);
    return this.registry.metrics();
  }
}
