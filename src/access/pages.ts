import type { Want } from '../http/wants.js';

/**
 * Pages that are opened in a browser, and what each requires. A browser signs in by HTTP Basic, which is accepted on
 * pages only: it sends these credentials with every request to us, whichever site caused the request.
 */
export const PAGES: Record<string, Want> = {
  '/admin/queues': 'ops',
  '/metrics': 'ops',
  '/docs': 'any',
  '/openapi.json': 'any',
};

/** Whether a path is that of a page or below it, ignoring case as Express does. */
export function isPage(path: string): boolean {
  const lower = path.toLowerCase();
  return Object.keys(PAGES).some((page) => lower === page || lower.startsWith(`${page}/`));
}
