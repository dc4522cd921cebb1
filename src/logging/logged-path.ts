import type { Request } from 'express';

/** Our own ids, which hold no personal data. */
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * The path of a request as the log may hold it: the pattern of its route, with our own ids filled in. External ids and
 * paths without a route stay out, as they could hold anything: `/patients/:externalId`, `/sync/jobs/01a1…/errors`, `none`.
 */
export function loggedPath(request: Pick<Request, 'route' | 'params'>): string {
  const pattern = (request.route as { path?: unknown } | undefined)?.path;
  // A pattern with a star belongs to middleware.
  if (typeof pattern !== 'string' || pattern.includes('*')) return 'none';
  return pattern.replace(/:(\w+)/g, (placeholder, name: string) => {
    const value = request.params[name];
    return typeof value === 'string' && UUID.test(value) ? value : placeholder;
  });
}
