import type { Request } from 'express';
import type { AuditRule, RequestOutcome } from './audited.js';

/** A page with no more items than this is a read about the people in it, and not about a source. */
const FEW_ITEMS = 5;

/** So is one that was found by a name (`q`), up to this many: the first letter of one finds thousands. */
const FOUND_ITEMS = 50;

/**
 * The people that a page of a list names, if they are few: for each the outcome of the request as an entry records it, with
 * the number of its items. Nothing if they are many, or if the request itself names its subject.
 */
export function peopleOfPage(request: Request, rule: AuditRule, answer: unknown): RequestOutcome[] {
  const { items } = (answer ?? {}) as { items?: unknown };
  if (!rule.subjectOfItem || !Array.isArray(items)) return [];
  if ((rule.subject?.(request, null) ?? null) !== null) return [];
  if (items.length > (request.query['q'] === undefined ? FEW_ITEMS : FOUND_ITEMS)) return [];
  const counts = new Map<string, number>();
  for (const item of items) {
    const subject = rule.subjectOfItem(item as never);
    counts.set(subject, (counts.get(subject) ?? 0) + 1);
  }
  return [...counts].map(([subject, count]) => ({ subject, items: count }));
}
