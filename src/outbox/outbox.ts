import type { EntityManager } from '@mikro-orm/postgresql';
import { v7 as uuidv7 } from 'uuid';
import type { EventBody, SubscribedEvent } from './event-types.js';
import { WebhookDelivery } from './webhook-delivery.entity.js';

/** Something that happened. */
export interface OutboxEvent {
  type: SubscribedEvent;
  /** The job that it happened to, or null. */
  jobId: string | null;
  /** @param source the name of the source that it happened at */
  data: (source: string) => object;
}

interface Receiver {
  id: string;
  source: string;
  events: SubscribedEvent[];
}

/**
 * Inserts a delivery for each event and each endpoint of the source that is subscribed to it, in the transaction in which they
 * happened: they commit together or not at all. Events without subscribers cost one look-up in an index.
 * @param em of that transaction @param now its time by the database's clock
 */
export async function addToOutbox(
  em: EntityManager,
  sourceId: number,
  now: () => Promise<Date>,
  events: readonly OutboxEvent[],
): Promise<void> {
  if (events.length === 0) return;
  // The lock keeps the deletion of an endpoint from failing the transaction: a deleted row is skipped.
  const receivers = await em.execute<Receiver[]>(
    `select e.id, s.name as source, to_json(e.events) as events from webhook_endpoint e join source s on s.id = e.source_id
      where e.source_id = ? and e.enabled and e.events && ?::text[] for key share of e`,
    [sourceId, `{${[...new Set(events.map(({ type }) => type))].join(',')}}`],
  );
  if (receivers.length === 0) return;
  const created = await now();
  const deliveries = events.flatMap(({ type, jobId, data }) =>
    receivers
      .filter((receiver) => receiver.events.includes(type))
      .map(({ id, source }) => {
        const body: EventBody = { type, timestamp: created.toISOString(), data: data(source) };
        const payload = JSON.stringify(body);
        return WebhookDelivery.of({ id: uuidv7(), sourceId, endpointId: id, type, jobId, payload, created });
      }),
  );
  await em.insertMany(deliveries);
}
