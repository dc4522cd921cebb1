import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { Gauge, Registry } from 'prom-client';
import { setTimeout as delay } from 'node:timers/promises';
import { isOutage, isTooSlow } from '../database/outage.js';
import { acrossSources } from '../database/source-isolation.js';

/** A database that has not answered by then counts as away: Prometheus itself gives up after 10 s by default. */
const ANSWER_TIMEOUT_MS = 2_000;

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

type Numbers = [JobNumbers[], LastApplied[], WebhookNumbers[], PaymentNumbers[]];

/** What the database knows: numbers by source and resource, the same in every process. */
@Injectable()
export class DatabaseMetrics {
  private readonly gauges: Gauge[] = [];

  private readonly up = new Gauge({
    name: 'counterpart_database_up',
    help: 'Whether the database answered this process: 1, or 0; then all numbers that are kept in it are missing',
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
    private readonly registry: Registry,
  ) {}

  /** Reads the numbers as they are now. While the database is away there are none, rather than old ones. */
  async collect(): Promise<void> {
    const numbers = await Promise.race([this.read(), delay(ANSWER_TIMEOUT_MS, null, { ref: false })]);
    for (const gauge of this.gauges) gauge.reset();
    this.up.set(numbers === null ? 0 : 1);
    if (numbers !== null) this.show(numbers);
  }

  /** @returns null if the database is away */
  private async read(): Promise<Numbers | null> {
    try {
      return await acrossSources(() =>
        Promise.all([this.jobNumbers(), this.lastApplied(), this.webhookNumbers(), this.paymentNumbers()]),
      );
    } catch (error) {
      if (isOutage(error) || isTooSlow(error)) return null;
      throw error;
    }
  }

  private show([jobs, applied, webhooks, payments]: Numbers): void {
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
