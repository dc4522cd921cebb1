/** Which of the services that jobs need are available at the moment, as the faults that take them away report it. */
export class Availability {
  isQueueAway = false;
  isDatabaseAway = false;
  /** Workers that listen and are not paused: a paused worker must not block the others. */
  readonly workers = new Set<string>();

  /** Whether jobs can be worked on, so that any delay is the product's own. */
  get canWork(): boolean {
    return !this.isQueueAway && !this.isDatabaseAway && this.workers.size > 0;
  }
}
