import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { acrossSources } from '../platform/source-isolation.js';
import { collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

interface JobNumbers {
  source: string;
  resource: string;
  // PostgreSQL's counts arrive as text.
  queued: string;
  retrying: string;
  running: string;
  held: string;
  failed: string;
  oldest_waiting: string;
}

interface LastApplied {
  source: string;
  resource: string;
  seconds: string;
  rejected_ratio: string;
  unresolved: string;
}

interface WebhookNumbers {
  source: string;
  pending: string;
  failed: string;
  disabled: string;
}

interface PaymentNumbers {
  source: string;
  status: string;
  claims: string;
  oldest: string;
}

/** The metrics for Prometheus: numbers by source and resource, never any data of records. */
@Injectable()
export class Metrics {
  private readonly gauges: Gauge[] = [];

  /** Durations by route pattern, not by path: paths hold ids. */
  readonly requests = new Histogram({
    name: 'counterpart_http_request_seconds',
    help: 'Duration of HTTP requests in seconds',
    labelNames: ['method', 'route', 'status'] as const,
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60],
    registers: [this.registry],
  });

  private readonly jobs = this.gauge(
    'counterpart_jobs',
    'Sync jobs by state; retrying: queued jobs with a failed attempt; failed: of the last 24 hours',
    ['source', 'resource', 'state'],
  );
  private readonly waiting = this.gauge('counterpart_oldest_waiting_seconds', 'Age of the oldest waiting job', [
    'source',
    'resource',
  ]);
  private readonly freshness = this.gauge(
    'counterpart_mirror_age_seconds',
    'Seconds since a snapshot was last applied',
    ['source', 'resource'],
  );

  private readonly rejected = this.gauge(
    'counterpart_rejected_ratio',
    'Share of rejected records in the last applied snapshot, 0 to 1',
    ['source', 'resource'],
  );
  private readonly unresolved = this.gauge(
    'counterpart_unresolved_records',
    'Records of the last applied snapshot whose parent was not in the mirror',
    ['source', 'resource'],
  );

  private readonly deliveries = this.gauge(
    'counterpart_webhook_deliveries',
    'Webhook deliveries by state; failed: of the last 24 hours',
    ['source', 'state'],
  );
  private readonly disabledWebhooks = this.gauge(
    'counterpart_webhooks_disabled',
    'Webhook endpoints that are disabled',
    ['source'],
  );

  private readonly claimPayments = this.gauge(
    'counterpart_claim_payments',
    'Claims whose payment is not settled, by its state',
    ['source', 'state'],
  );
  private readonly oldestPayment = this.gauge(
    'counterpart_oldest_claim_payment_seconds',
    'Seconds since the last update of the payment that has waited longest',
    ['source', 'state'],
  );

  constructor(
    private readonly em: EntityManager,
    /** The process's registry; other modules add their metrics to it. */
    readonly registry: Registry,
  ) {
    collectDefaultMetrics({ register: this.registry });
  }

  /** Prometheus' text format, with the numbers of the database as they are now. */
  async render(): Promise<string> {
    const [jobs, applied, webhooks, payments] = await acrossSources(() =>
      Promise.all([this.jobNumbers(), this.lastApplied(), this.webhookNumbers(), this.paymentNumbers()]),
    );
    for (const gauge of this.gauges) gauge.reset();
    for (const { source, resource, oldest_waiting, ...states } of jobs) {
      for (const [state, value] of Object.entries(states)) {
        this.jobs.set({ source, resource, state }, Number(value));
      }
      this.waiting.set({ source, resource }, Number(oldest_waiting));
    }
    for (const { source, resource, seconds, rejected_ratio, unresolved } of applied) {
      this.freshness.set({ source, resource }, Number(seconds));
      this.rejected.set({ source, resource }, Number(rejected_ratio));
      this.unresolved.set({ source, resource }, Number(unresolved));
    }
    for (const { source, pending, failed, disabled } of webhooks) {
      for (const [state, value] of Object.entries({ pending, failed })) {
        this.deliveries.set({ source, state }, Number(value));
      }
      this.disabledWebhooks.set({ source }, Number(disabled));
    }
    for (const { source, status: state, claims, oldest } of payments) {
      this.claimPayments.set({ source, state }, Number(claims));
      this.oldestPayment.set({ source, state }, Number(oldest));
    }
    return this.registry.metrics();
  }

  private gauge<T extends string>(name: string, help: string, labelNames: readonly T[]): Gauge<T> {
    const gauge = new Gauge({ name, help, labelNames, registers: [this.registry] });
    this.gauges.push(gauge);
    return gauge;
  }

  private jobNumbers(): Promise<JobNumbers[]> {
    return this.em.fork().execute<JobNumbers[]>(`
      select s.name as source, j.resource,
             count(*) filter (where status = 'queued') as queued,
             count(*) filter (where status = 'queued' and retry_at is not null and attempts > 0) as retrying,
             count(*) filter (where status in ('staging', 'reconciling')) as running,
             count(*) filter (where status = 'awaiting_approval') as held,
             count(*) filter (where status = 'failed') as failed,
             coalesce(extract(epoch from now() - min(submitted_at) filter (where status = 'queued')), 0) as oldest_waiting
        from sync_job j join source s on s.id = j.source_id
       where status in ('queued', 'staging', 'reconciling', 'awaiting_approval')
          or (status = 'failed' and finished_at > now() - interval '1 day')
       group by 1, 2`);
  }

  private lastApplied(): Promise<LastApplied[]> {
    return this.em.fork().execute<LastApplied[]>(`
      select s.name as source, m.resource, extract(epoch from now() - m.applied_at) as seconds,
             coalesce((j.counts->>'rejected')::numeric / nullif((j.counts->>'received')::numeric, 0), 0) as rejected_ratio,
             j.counts->>'unresolved' as unresolved
        from mirror_state m join source s on s.id = m.source_id join sync_job j on j.id = m.applied_job`);
  }

  private webhookNumbers(): Promise<WebhookNumbers[]> {
    return this.em.fork().execute<WebhookNumbers[]>(`
      select s.name as source, count(*) filter (where not e.enabled) as disabled,
             coalesce(sum(d.pending), 0) as pending, coalesce(sum(d.failed), 0) as failed
        from webhook_endpoint e join source s on s.id = e.source_id
        left join (
          select endpoint_id, count(*) filter (where status = 'pending') as pending,
                 count(*) filter (where status = 'failed') as failed
            from webhook_delivery
           where status = 'pending' or (status = 'failed' and finished_at > now() - interval '1 day')
           group by 1) d on d.endpoint_id = e.id
       group by 1`);
  }

  /** Uses the partial indexes of the relay and the rescuer, so the cost depends only on payments under way. */
  private paymentNumbers(): Promise<PaymentNumbers[]> {
    return this.em.fork().execute<PaymentNumbers[]>(`
      select s.name as source, n.status, count(*) as claims, extract(epoch from now() - min(n.updated)) as oldest
        from (select source_id, status, updated from payment_notification
               where relayed_at is null and status = 'pending'
              union all
              select source_id, status, updated from payment_notification where status in ('notified', 'failed')) n
        join source s on s.id = n.source_id
       group by 1, 2`);
  }
}
