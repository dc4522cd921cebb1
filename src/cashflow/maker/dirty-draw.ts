import type { Random } from './random.js';
import type { DirtyQuota } from './sizes.js';

/** What one event becomes: a row, a batch of several, or a row with faults. */
export interface EventPlan {
  /** The rows of a batch; 1: no batch. */
  rows: number;
  isInvalid: boolean;
  isWithoutCurrency: boolean;
  /** Whether the first row is there twice. */
  isTwin: boolean;
}

const CLEAN: EventPlan = { rows: 1, isInvalid: false, isWithoutCurrency: false, isTwin: false };

/** One in this many dirty events has a second fault, as faults are not choosy. */
const SECOND_FAULT = 25;

/** Batches have two to five rows. */
const MOST_ROWS = 5;

/**
 * Decides for one event after the other what it becomes, so that all shares are met exactly at the end, with nothing to
 * remember but what is left of each (Knuth's selection sampling).
 */
export class DirtyDraw {
  private readonly left: DirtyQuota;
  private batchesLeft: number;
  private eventsLeft: number;

  /** @param rows that are to be made in all, of which the quota is part */
  constructor(
    rows: number,
    quota: DirtyQuota,
    private readonly random: Random,
  ) {
    this.left = { ...quota };
    this.batchesLeft = Math.ceil(quota.batch / 4);
    // Each batch is one event, and so are a row and its copy.
    this.eventsLeft = rows - (quota.batch - this.batchesLeft) - quota.duplicate;
  }

  /** How many events all rows are. */
  get events(): number {
    return this.eventsLeft;
  }

  next(): EventPlan {
    const { left, random } = this;
    let place = random.below(this.eventsLeft--);
    if (place < this.batchesLeft) return this.batch();
    place -= this.batchesLeft;
    if (place < left.duplicate) {
      left.duplicate--;
      return { ...CLEAN, isTwin: true, isInvalid: this.isSecondFault('invalidIban') };
    }
    place -= left.duplicate;
    if (place < left.invalidIban) {
      left.invalidIban--;
      return { ...CLEAN, isInvalid: true, isWithoutCurrency: this.isSecondFault('noCurrency') };
    }
    place -= left.invalidIban;
    if (place >= left.noCurrency) return CLEAN;
    left.noCurrency--;
    return { ...CLEAN, isWithoutCurrency: true };
  }

  /** Draws a size that leaves neither too few rows nor too many for the batches to come. */
  private batch(): EventPlan {
    const { left, random } = this;
    this.batchesLeft--;
    const least = Math.max(2, left.batch - MOST_ROWS * this.batchesLeft);
    const most = Math.min(MOST_ROWS, left.batch - 2 * this.batchesLeft);
    const rows = random.between(least, most);
    left.batch -= rows;
    const isInvalid = left.invalidIban >= rows && random.below(SECOND_FAULT) === 0;
    if (isInvalid) left.invalidIban -= rows;
    return { rows, isInvalid, isWithoutCurrency: false, isTwin: this.isSecondFault('duplicate') };
  }

  private isSecondFault(kind: keyof DirtyQuota): boolean {
    if (this.left[kind] === 0 || this.random.below(SECOND_FAULT) > 0) return false;
    this.left[kind]--;
    return true;
  }
}
