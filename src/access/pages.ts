import type { Want } from '../platform/wants.js';

/**
 * What is looked at in a browser, and what it wants. A browser logs in by HTTP Basic, which is taken here alone: it sends
 * such a login along with every request to us, whichever site made it ask.
 */
export const PAGES: Record<string, Want> = {
  '/admin/queues': 'ops',
  '/metrics': 'ops',
  '/docs': 'any',
  '/openapi.json': 'any',
};

/** Whether a path is one of a page or below it, by the rules of Express: letters of either case. */
export function isPage(path: string): boolean {
  const lower = path.toLowerCase();
  return Object.keys(PAGES).some((page) => lower === page || lower.startsWith(`${page}/`));
}
