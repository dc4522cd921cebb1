import type { Request } from 'express';

/** Ids of ours, which say nothing about anybody. */
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * What a log may say of where a request went: its route's pattern, with the ids of ours that stood in it. External ids and
 * whatever a caller wrote where no route is stay out, since nobody knows what they are: `/patients/:externalId`,
 * `/sync/jobs/01a1…/errors`, `none`.
 */
export function loggedPath(request: Pick<Request, 'route' | 'params'>): string {
  const pattern = (request.route as { path?: unknown } | undefined)?.path;
  // A pattern with a star is that of middleware.
  if (typeof pattern !== 'string' || pattern.includes('*')) return 'none';
  return pattern.replace(/:(\w+)/g, (placeholder, name: string) => {
    const value = request.params[name];
    return typeof value === 'string' && UUID.test(value) ? value : placeholder;
  });
}
