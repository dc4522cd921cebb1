import type { Request } from 'express';

/** What is looked at in a layer of Express's router: middleware may have no route. */
interface Layer {
  match: (path: string) => boolean;
  route?: { path: string; methods: Record<string, boolean> };
}

/** The methods with which the path of a request can be asked; none if there is no such path. */
export function allowedMethods(request: Request): string[] {
  const { stack } = request.app.router as unknown as { stack: Layer[] };
  const methods = new Set<string>();
  for (const layer of stack) {
    // A pattern with a star is that of middleware for all paths, which says nothing of this one.
    if (!layer.route || layer.route.path.includes('*') || !layer.match(request.path)) continue;
    for (const method of Object.keys(layer.route.methods)) methods.add(method.toUpperCase());
  }
  // Express answers these by the same handlers.
  if (methods.has('GET')) methods.add('HEAD');
  return [...methods].toSorted();
}
