import type { EntityManager } from '@mikro-orm/postgresql';
import type { DisabledReason } from './webhook-endpoint.entity.js';

/**
 * Disables an endpoint inside the transaction of `em`. Its pending deliveries fail, and can be replayed once the endpoint
 * is enabled again; an attempt that is under way may still succeed.
 */
export async function disableEndpoint(em: EntityManager, endpointId: string, reason: DisabledReason): Promise<void> {
  // The endpoint first, as when it is deleted: so no transaction waits for an endpoint while it has a delivery locked.
  const disabled = await em.execute<object[]>(
    `update webhook_endpoint set enabled = false, disabled_reason = ?, disabled_at = now()
      where id = ? and enabled returning 1`,
    [reason, endpointId],
  );
  if (disabled.length === 0) return;
  await em.execute(
    `update webhook_delivery
        set status = 'failed', reason = 'endpoint_disabled', next_attempt_at = null, finished_at = now()
      where endpoint_id = ? and status = 'pending'`,
    [endpointId],
  );
}
