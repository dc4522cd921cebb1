import { InjectQueue } from '@nestjs/bullmq';
import { Injectable, Logger } from '@nestjs/common';
import { Queue } from 'bullmq';
import { safeError } from '../../logging/safe-error.js';
import { KEPT, QUEUE_TIMEOUT_MS, within } from '../../queue/queue-call.js';

/** The names of the queues in BullMQ. */
export const PULL_QUEUES = { pulls: 'cashflow-pulls' } as const;

/** What the queue carries. */
export interface PullNotification {
  pullId: string;
}

const FINISHED = { removeOnComplete: KEPT, removeOnFail: KEPT };

/**
 * Tells the workers that a pull is due, at once or at regular times. A notification that is lost costs a second: the table of
 * pulls says what is due, and workers look there, too.
 */
@Injectable()
export class PullQueue {
  private readonly logger = new Logger(PullQueue.name);

  constructor(@InjectQueue(PULL_QUEUES.pulls) private readonly queue: Queue<PullNotification>) {
    // Without a listener BullMQ prints the error with the whole connection to the console.
    queue.on('error', (error) => this.logger.warn({ err: safeError(error) }, 'the queue reported an error'));
  }

  async notify(pullId: string): Promise<void> {
    await this.attempt(() => this.queue.add('pull', { pullId }, { ...FINISHED, attempts: 1 }));
  }

  /** Notifies of a pull every so often, at first at `first`; again for the same pull it changes nothing. */
  async schedule(pullId: string, everyMs: number, first: Date): Promise<void> {
    const job = { name: 'schedule', data: { pullId }, opts: FINISHED };
    await this.attempt(() => this.queue.upsertJobScheduler(pullId, { every: everyMs, startDate: first }, job));
  }

  async unschedule(pullId: string): Promise<void> {
    await this.attempt(() => this.queue.removeJobScheduler(pullId));
  }

  private async attempt(call: () => Promise<unknown>): Promise<void> {
    try {
      await within(QUEUE_TIMEOUT_MS, call());
    } catch (error) {
      this.logger.warn(
        { err: safeError(error) },
        'the queue was not notified of a pull; workers find it by themselves',
      );
    }
  }
}
