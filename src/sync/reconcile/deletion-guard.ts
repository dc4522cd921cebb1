import type { Config } from '../../settings/config.js';
import type { DeletePolicy } from '../model/job-options.js';

/** What the guard judges by. */
export interface GuardedPlan {
  deletes: DeletePolicy;
  /** Records of the snapshot that are valid; null if it is no snapshot. */
  valid: number | null;
  /** Rejected records whose external id cannot be told: any row that seems to be missing may be one of them. */
  unidentified: number;
  /** Rows that are live now, and how many of them would go. */
  live: number;
  deleted: number;
}

/**
 * Why a full snapshot must not be applied before somebody has looked at it, or null. A snapshot that is cut short by
 * its sender looks just like one whose records were deleted; this is what stands between that and an empty mirror.
 */
export function reasonToHold(
  plan: GuardedPlan,
  config: Pick<Config, 'DELETE_GUARD_ROWS' | 'DELETE_GUARD_PERCENT'>,
): string | null {
  const { deletes, valid, unidentified, live, deleted } = plan;
  if (deletes === 'apply') return null;
  if (deletes === 'hold')
    return deleted > 0 ? `It would delete ${rows(deleted)}, and was sent with deletes=hold.` : null;
  if (valid === 0 && live > 0) return `It holds no valid record while ${rows(live)} ${live === 1 ? 'is' : 'are'} live.`;
  if (unidentified > 0 && deleted > 0) return reasonOfUnidentified(unidentified, deleted);
  const limit = Math.max(config.DELETE_GUARD_ROWS, (live * config.DELETE_GUARD_PERCENT) / 100);
  if (deleted <= limit) return null;
  return `It would delete ${deleted} of ${rows(live)}, more than the ${Math.floor(limit)} that pass without approval.`;
}

/** A record that is rejected keeps its row, if its external id says which; without one, absence proves nothing. */
function reasonOfUnidentified(unidentified: number, deleted: number): string {
  const records =
    unidentified === 1
      ? 'a record was rejected whose external id cannot be told'
      : `${unidentified} records were rejected whose external ids cannot be told`;
  return `It would delete ${rows(deleted)} as missing, but ${records}.`;
}

function rows(count: number): string {
  return count === 1 ? '1 row' : `${count} rows`;
}
