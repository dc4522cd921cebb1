import { RAILS } from '../source/dialects.js';
import { instantOf, type Span } from '../source/moments.js';
import type { Gap, Position } from './pull-row.js';

/** Adds a span to others that are in their order; those that touch or overlap become one. */
export function withSpan(spans: readonly Span[], added: Span): Span[] {
  const merged: Span[] = [];
  for (const span of [...spans, added].toSorted((one, other) => (one.from < other.from ? -1 : 1))) {
    const last = merged.at(-1);
    if (last === undefined || last.to < span.from) merged.push({ ...span });
    else if (last.to < span.to) last.to = span.to;
  }
  return merged;
}

/** Whether all of a span is covered. */
export function isCovered(spans: readonly Span[], { from, to }: Span): boolean {
  return spans.some((span) => span.from <= from && to <= span.to);
}

/** Whether a part of a span is covered. */
export function overlaps(spans: readonly Span[], { from, to }: Span): boolean {
  return spans.some((span) => span.from < to && from < span.to);
}

/** The parts of a span that are not covered. */
function missingIn(spans: readonly Span[], whole: Span): Span[] {
  const missing: Span[] = [];
  let at = whole.from;
  for (const { from, to } of spans) {
    if (from > at && at < whole.to) missing.push({ from: at, to: from < whole.to ? from : whole.to });
    if (to > at) at = to;
  }
  return at < whole.to ? [...missing, { from: at, to: whole.to }] : missing;
}

/**
 * The times of which nothing was received although the source had something: between windows, where a part of a lost window
 * was seen, and at either end, if answers were lost there and the other kind of transactions reaches further.
 */
export function gapsOf(positions: Partial<Record<string, Position>>): Gap[] {
  return RAILS.flatMap((resource) => {
    const position = positions[resource];
    const [other] = RAILS.filter((rail) => rail !== resource).map((rail) => positions[rail]);
    if (!position) return [];
    const { covered, sighted, mayLack } = position;
    const expected = [...covered, ...sighted];
    if (other && mayLack.first) expected.push(...other.covered.slice(0, 1));
    if (other && mayLack.last) expected.push(...other.covered.slice(-1));
    const whole = spanOf(expected);
    if (whole === null) return [];
    return missingIn(covered, whole).map(({ from, to }) => ({ resource, from: instantOf(from), to: instantOf(to) }));
  });
}

/** From the first moment of all to the last one. */
function spanOf(spans: readonly Span[]): Span | null {
  const [first] = spans.map(({ from }) => from).toSorted();
  const last = spans
    .map(({ to }) => to)
    .toSorted()
    .at(-1);
  return first === undefined || last === undefined ? null : { from: first, to: last };
}
