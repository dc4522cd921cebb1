import type { Request } from 'express';

/** The parts that are read of a layer in Express's router: middleware may have no route. */
interface Layer {
  match: (path: string) => boolean;
  route?: { path: string; methods: Record<string, boolean> };
}

/** The methods that the path of a request supports; empty if there is no such path. */
export function allowedMethods(request: Request): string[] {
  const { stack } = request.app.router as unknown as { stack: Layer[] };
  const methods = new Set<string>();
  for (const layer of stack) {
    // A pattern with a star belongs to middleware for all paths, which says nothing about this one.
    if (!layer.route || layer.route.path.includes('*') || !layer.match(request.path)) continue;
    for (const method of Object.keys(layer.route.methods)) methods.add(method.toUpperCase());
  }
  // Express answers HEAD with the handlers of GET.
  if (methods.has('GET')) methods.add('HEAD');
  return [...methods].toSorted();
}
