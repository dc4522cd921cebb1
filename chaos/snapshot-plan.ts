import type { ModelWindow, ResourceName, SnapshotOptions } from '../test/contract/mirror-model.js';
import { dayAt, DAYS } from './records.js';
import type { SeededRandom } from './seeded-random.js';

/** Everything from which a snapshot's bytes are made, so that the run need not keep them. */
export interface SnapshotPlan {
  resource: ResourceName;
  /** A marked snapshot has its number in every row; a random one has random values. */
  kind: 'marked' | 'random';
  /** The number of a marked snapshot, the seed of a random one. */
  seed: number;
  /** Ids to choose from. */
  ids: number;
  /** One id in so many is left out, and one row in so many has an unusual value. */
  skipOneIn: number;
  changeOneIn: number;
  /** Whether some records must be rejected. */
  isFaulty: boolean;
  /** Whether the document is cut off at its end. */
  isBroken: boolean;
  isGzip: boolean;
  format: 'json' | 'ndjson';
  /** The window that the records are chosen for; of a faulty snapshot a few lie outside. */
  window?: ModelWindow;
}

const PLAIN = { isFaulty: false, isBroken: false, skipOneIn: 1, changeOneIn: 1, ids: 0 } as const;

/** One snapshot in 30 is a large one, whose job takes seconds. */
const LARGE_ONE_IN = 30;
const LARGE_IDS = 20_000;
const MOST_IDS = 2_000;

/** Days, and how many of them a window has at most. */
const HALF_MONTH = 15;
const MOST_HALVES = 4;

/** Number `marker` of the snapshots that a reader can recognize. */
export function markedPlan(resource: ResourceName, marker: number): SnapshotPlan {
  return { ...PLAIN, resource, kind: 'marked', seed: marker, isGzip: marker % 4 === 0, format: 'json' };
}

/** @param window the one that it is to be sent for */
export function randomPlan(resource: ResourceName, random: SeededRandom, window?: ModelWindow): SnapshotPlan {
  return {
    resource,
    ...(window && { window }),
    kind: 'random',
    seed: random.between(1, 2 ** 31),
    ids: random.chance(1 / LARGE_ONE_IN) ? LARGE_IDS : random.between(0, MOST_IDS),
    skipOneIn: random.pick([2, 10, 50, 1_000]),
    changeOneIn: random.pick([2, 10, 50, 1_000]),
    isFaulty: random.chance(0.5),
    isBroken: random.chance(0.03),
    isGzip: random.chance(0.3),
    format: random.chance(0.25) ? 'ndjson' : 'json',
  };
}

export function randomOptions(resource: ResourceName, random: SeededRandom): SnapshotOptions {
  const isWindow = resource === 'visits' && random.chance(0.6);
  return {
    ...(isWindow
      ? { mode: 'window', window: randomWindow(random) }
      : { mode: random.chance(0.4) ? 'full' : 'partial' }),
    deletes: random.weigh({ apply: 2, auto: 5, hold: 1 }),
    dryRun: random.chance(0.08),
  };
}

/** Begins and ends at half months, so that some windows are the same, some overlap, and some are apart. */
function randomWindow(random: SeededRandom): ModelWindow {
  const halves = Math.floor(DAYS / HALF_MONTH);
  const from = random.between(0, halves - 1);
  const to = random.between(from + 1, Math.min(from + MOST_HALVES, halves));
  return { from: dayAt(from * HALF_MONTH), to: dayAt(to * HALF_MONTH) };
}
