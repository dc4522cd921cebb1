/** What stands in the way of work at the moment, as those who cause it know. */
export class World {
  isQueueAway = false;
  isDatabaseAway = false;
  /** Workers that listen and are not paused: one that is paused in the middle of something must be in nobody's way. */
  readonly workers = new Set<string>();

  /** Whether nothing but the product itself keeps work from going on. */
  get isFit(): boolean {
    return !this.isQueueAway && !this.isDatabaseAway && this.workers.size > 0;
  }
}
