import { createHash } from 'node:crypto';
import type { Definition, RecordRules } from '../../definitions/definition.js';
import type { Snapshot } from '../snapshots/snapshot.entity.js';

/** To be raised when the checks of records change: the same bytes may then have another outcome. */
const CHECKS_VERSION = 2;

/**
 * Digest of everything that the outcome of a snapshot depends on besides the mirror. A rejected birth date of today's
 * future may be good tomorrow, so with rejected records the day belongs to it.
 */
export function contentDigest(
  snapshot: Snapshot,
  { shape }: Definition,
  rules: RecordRules,
  hasRejected: boolean,
): string {
  const { sha256, format, contentEncoding } = snapshot;
  const day = hasRejected ? rules.today : null;
  const parts = [CHECKS_VERSION, shape, sha256, format, contentEncoding, rules.futureBirthDates, day];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}
