import type { ResourceName, SnapshotOptions } from '../test/contract/mirror-model.js';
import type { Dice } from './dice.js';

/** All that a snapshot's bytes follow from, so that the run need not keep them. */
export interface SnapshotPlan {
  resource: ResourceName;
  /** Marked ones carry their number in every row; the others are anything. */
  kind: 'marked' | 'random';
  /** The number of a marked one, the seed of another. */
  seed: number;
  /** Ids to choose from. */
  ids: number;
  /** One id in so many is left out, and one row in so many has an unusual value. */
  skipOneIn: number;
  changeOneIn: number;
  /** Whether records that must be rejected are among them. */
  isFaulty: boolean;
  /** Whether the document is cut off at its end. */
  isBroken: boolean;
  isGzip: boolean;
  format: 'json' | 'ndjson';
}

const PLAIN = { isFaulty: false, isBroken: false, skipOneIn: 1, changeOneIn: 1, ids: 0 } as const;

/** One snapshot in so many is a large one, whose job takes seconds. */
const LARGE_ONE_IN = 30;
const LARGE_IDS = 20_000;
const MOST_IDS = 2_000;

/** Number `marker` of the snapshots that a reader can recognize. */
export function markedPlan(resource: ResourceName, marker: number): SnapshotPlan {
  return { ...PLAIN, resource, kind: 'marked', seed: marker, isGzip: marker % 4 === 0, format: 'json' };
}

export function randomPlan(resource: ResourceName, dice: Dice): SnapshotPlan {
  return {
    resource,
    kind: 'random',
    seed: dice.between(1, 2 ** 31),
    ids: dice.isLucky(1 / LARGE_ONE_IN) ? LARGE_IDS : dice.between(0, MOST_IDS),
    skipOneIn: dice.pick([2, 10, 50, 1_000]),
    changeOneIn: dice.pick([2, 10, 50, 1_000]),
    isFaulty: dice.isLucky(0.5),
    isBroken: dice.isLucky(0.03),
    isGzip: dice.isLucky(0.3),
    format: dice.isLucky(0.25) ? 'ndjson' : 'json',
  };
}

export function randomOptions(dice: Dice): SnapshotOptions {
  return {
    mode: dice.isLucky(0.4) ? 'full' : 'partial',
    deletes: dice.weigh({ apply: 2, auto: 5, hold: 1 }),
    dryRun: dice.isLucky(0.08),
  };
}
