import type { Want } from '../../src/platform/wants.js';

/**
 * Every route and what it wants of its callers. A new one has to be written down here: the tests walk through this table
 * with no key, a wrong one, one that may not, and one of another source.
 */
export const ROUTES: [method: string, path: string, want: Want][] = [
  ['GET', '/health', 'public'],
  ['GET', '/health/live', 'public'],
  ['GET', '/health/ready', 'public'],
  ['GET', '/metrics', 'ops'],
  ['GET', '/audit', 'ops'],
  ['POST', '/patients', 'submit'],
  ['GET', '/patients', 'read'],
  ['GET', '/patients/:externalId', 'read'],
  ['GET', '/patients/:externalId/history', 'read'],
  ['GET', '/patients/:externalId/payments', 'read'],
  ['POST', '/payments', 'submit'],
  ['GET', '/payments', 'read'],
  ['GET', '/payments/:externalId/history', 'read'],
  ['GET', '/changes', 'read'],
  ['GET', '/sync/jobs', 'read'],
  ['GET', '/sync/jobs/:id', 'read'],
  ['GET', '/sync/jobs/:id/events', 'read'],
  ['GET', '/sync/jobs/:id/errors', 'read'],
  ['GET', '/sync/jobs/:id/changes', 'read'],
  ['GET', '/sync/jobs/:id/snapshot', 'read'],
  ['POST', '/sync/jobs/:id/approve', 'approve'],
  ['POST', '/sync/jobs/:id/reject', 'approve'],
  ['POST', '/sync/jobs/:id/cancel', 'submit'],
  ['POST', '/sync/jobs/:id/replay', 'submit'],
  ['POST', '/sync/jobs/:id/revert', 'submit'],
  ['POST', '/webhooks', 'submit'],
  ['GET', '/webhooks', 'read'],
  ['GET', '/webhooks/:id', 'read'],
  ['PATCH', '/webhooks/:id', 'submit'],
  ['DELETE', '/webhooks/:id', 'submit'],
  ['POST', '/webhooks/:id/rotate-secret', 'submit'],
  ['POST', '/webhooks/:id/replay', 'submit'],
  ['POST', '/webhooks/:id/test', 'submit'],
  ['GET', '/webhooks/:id/deliveries', 'read'],
  ['POST', '/webhooks/:id/deliveries/:deliveryId/replay', 'submit'],
];
