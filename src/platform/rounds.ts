import { Logger } from '@nestjs/common';
import { safeError } from './safe-error.js';

/** What is done again and again, and how long the pause between two rounds is. */
export interface Routine {
  what: string;
  pauseMs: number;
  round: () => Promise<void>;
}

/** Does a routine in rounds until it is stopped. A round that fails is logged, and the next one comes all the same. */
export class Rounds {
  private readonly logger = new Logger(Rounds.name);
  private timer: NodeJS.Timeout | undefined;
  private current: Promise<void> = Promise.resolve();
  private isRunning = false;
  private isWanted = false;
  private isStopped = false;

  constructor(private readonly routine: Routine) {}

  start(): void {
    this.isRunning = true;
    this.isWanted = false;
    this.current = this.routine
      .round()
      .catch((error: unknown) =>
        this.logger.warn({ err: safeError(error) }, `${this.routine.what} did not get through`),
      )
      .then(() => {
        this.isRunning = false;
        if (this.isStopped) return;
        if (this.isWanted) this.start();
        else this.timer = setTimeout(() => this.start(), this.routine.pauseMs);
      });
  }

  /** Has a round begin at once, or as soon as the one that runs has ended: however many ask meanwhile, one more. */
  wake(): void {
    this.isWanted = true;
    if (this.isRunning || this.isStopped) return;
    clearTimeout(this.timer);
    this.start();
  }

  /** Begins no further round. @returns when the one that runs has ended */
  stop(): Promise<void> {
    this.isStopped = true;
    clearTimeout(this.timer);
    return this.current;
  }
}
