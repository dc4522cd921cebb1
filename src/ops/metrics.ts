import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

interface JobNumbers {
  source: string;
  resource: string;
  // Numbers that PostgreSQL counts arrive as text.
  queued: string;
  running: string;
  held: string;
  failed: string;
  oldest_waiting: string;
}

interface Freshness {
  source: string;
  resource: string;
  seconds: string;
}

/** What Prometheus may know: numbers by source and resource, never anything of a record. */
@Injectable()
export class Metrics {
  readonly registry = new Registry();

  /** Durations by route pattern, not by path: paths hold ids. */
  readonly requests = new Histogram({
    name: 'counterpart_http_request_seconds',
    help: 'Duration of HTTP requests in seconds',
    labelNames: ['method', 'route', 'status'] as const,
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60],
    registers: [this.registry],
  });

  private readonly jobs = this.gauge('counterpart_jobs', 'Sync jobs by state; failed: of the last 24 hours', [
    'source',
    'resource',
    'state',
  ]);
  private readonly waiting = this.gauge('counterpart_oldest_waiting_seconds', 'Age of the oldest job that waits', [
    'source',
    'resource',
  ]);
  private readonly freshness = this.gauge(
    'counterpart_mirror_age_seconds',
    'Seconds since a snapshot was last applied',
    ['source', 'resource'],
  );

  constructor(private readonly em: EntityManager) {
    collectDefaultMetrics({ register: this.registry });
  }

  /** Prometheus' text format, with the numbers of the database as they are now. */
  async render(): Promise<string> {
    const [jobs, ages] = await Promise.all([this.jobNumbers(), this.mirrorAges()]);
    for (const gauge of [this.jobs, this.waiting, this.freshness]) gauge.reset();
    for (const { source, resource, queued, running, held, failed, oldest_waiting } of jobs) {
      for (const [state, value] of Object.entries({ queued, running, held, failed })) {
        this.jobs.set({ source, resource, state }, Number(value));
      }
      this.waiting.set({ source, resource }, Number(oldest_waiting));
    }
    for (const { source, resource, seconds } of ages) this.freshness.set({ source, resource }, Number(seconds));
    return this.registry.metrics();
  }

  private gauge<T extends string>(name: string, help: string, labelNames: readonly T[]): Gauge<T> {
    return new Gauge({ name, help, labelNames, registers: [this.registry] });
  }

  private jobNumbers(): Promise<JobNumbers[]> {
    return this.em.fork().execute<JobNumbers[]>(`
      select s.name as source, j.resource,
             count(*) filter (where status = 'queued') as queued,
             count(*) filter (where status in ('staging', 'reconciling')) as running,
             count(*) filter (where status = 'awaiting_approval') as held,
             count(*) filter (where status = 'failed') as failed,
             coalesce(extract(epoch from now() - min(submitted_at) filter (where status = 'queued')), 0) as oldest_waiting
        from sync_job j join source s on s.id = j.source_id
       where status in ('queued', 'staging', 'reconciling', 'awaiting_approval')
          or (status = 'failed' and finished_at > now() - interval '1 day')
       group by 1, 2`);
  }

  private mirrorAges(): Promise<Freshness[]> {
    return this.em.fork().execute<Freshness[]>(`
      select s.name as source, m.resource, extract(epoch from now() - m.applied_at) as seconds
        from mirror_state m join source s on s.id = m.source_id where m.applied_at is not null`);
  }
}
