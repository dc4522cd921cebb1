import { createHash } from 'node:crypto';
import type { Snapshot } from '../intake/snapshot.entity.js';
import type { RecordRules } from '../mirrored-resource.js';

/** To be raised when the checks of records change: the same bytes may then have another outcome. */
const CHECKS_VERSION = 1;

/**
 * Digest of everything that the outcome of a snapshot depends on besides the mirror. A rejected birth date of today's
 * future may be good tomorrow, so with rejected records the day belongs to it.
 */
export function contentDigest(snapshot: Snapshot, rules: RecordRules, hasRejected: boolean): string {
  const { sha256, format, contentEncoding } = snapshot;
  const day = hasRejected ? rules.today : null;
  const parts = [CHECKS_VERSION, sha256, format, contentEncoding, rules.futureBirthDates, day];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}
