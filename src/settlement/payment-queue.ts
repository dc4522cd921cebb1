import { InjectQueue } from '@nestjs/bullmq';
import { Inject, Injectable, Logger } from '@nestjs/common';
import type { JobsOptions, Queue } from 'bullmq';
import { CONFIG, type Config } from '../settings/config.js';
import { KEPT, ON_THE_WAY, QUEUE_TIMEOUT_MS, within } from '../queue/queue-call.js';
import { safeError } from '../logging/safe-error.js';
import { type DeadLetter, PAYMENT_QUEUES, type PaymentMessage } from './payment-messages.js';
import { RETRY_SCHEDULE } from './retry-delay.js';

/** A check that has no answer after this time is sent again: it may have been lost with its connection. */
const CHECK_AGAIN_MS = 10_000;

/**
 * Settled messages are removed at once: the table of notifications tells of them. To keep the last 1,000, a queue in
 * PostgreSQL looks for the others at each completion, and all workers that finish one wait for the same rows: 167 a
 * second, whatever the number of workers.
 */
const DONE = true;

/** The parts of a message that its id is made of. */
export type MessageKey = Pick<PaymentMessage, 'claimId' | 'round'>;

interface Check {
  sentAt: number;
  answer: Promise<unknown>;
}

/**
 * The queue of notifications and the dead-letter queue. Adding a message that its queue already holds has no effect; one
 * that was settled and removed is delivered again, and then has none.
 * Every call fails with an Error if the queue does not answer in time.
 */
@Injectable()
export class PaymentQueue {
  private readonly logger = new Logger(PaymentQueue.name);
  private check: Check | null = null;

  constructor(
    @InjectQueue(PAYMENT_QUEUES.notifications) private readonly notifications: Queue<PaymentMessage>,
    @InjectQueue(PAYMENT_QUEUES.deadLetters) private readonly deadLetters: Queue<DeadLetter>,
    @Inject(CONFIG) private readonly config: Config,
  ) {
    for (const queue of [notifications, deadLetters]) {
      // Without a listener BullMQ prints the error with the whole connection to the console.
      queue.on('error', (error) => this.logger.warn({ err: safeError(error) }, 'the queue reported an error'));
    }
  }

  /**
   * Fails unless the queue answers. Callers share a check that is still waiting for its answer, since commands to a Redis
   * that is unreachable are kept in memory until it is back.
   */
  async mustAnswer(): Promise<void> {
    const check =
      this.check !== null && Date.now() - this.check.sentAt < CHECK_AGAIN_MS ? this.check : this.sendCheck();
    await within(QUEUE_TIMEOUT_MS, check.answer);
  }

  /** Adds messages to the payments service. */
  async addNotifications(messages: PaymentMessage[]): Promise<void> {
    const { PAYMENT_ATTEMPTS: attempts, PAYMENT_RETRY_MS: delay } = this.config;
    const backoff = { type: RETRY_SCHEDULE, delay };
    const kept = { attempts, backoff, removeOnComplete: DONE, removeOnFail: KEPT };
    const jobs = messages.map((data) => ({ name: 'claim', data, opts: { ...kept, jobId: messageId(data) } }));
    await within(QUEUE_TIMEOUT_MS, addAll(this.notifications, jobs));
  }

  /** Adds failed claims to the dead-letter queue, where they stay until they are retried. */
  async addDeadLetters(letters: (DeadLetter & MessageKey)[]): Promise<void> {
    const jobs = letters.map(({ round, ...data }) => ({
      name: 'dead letter',
      data,
      opts: { jobId: messageId({ claimId: data.claimId, round }) },
    }));
    await within(QUEUE_TIMEOUT_MS, addAll(this.deadLetters, jobs));
  }

  /** Removes dead letters. A missing one is no error. */
  async removeDeadLetters(keys: MessageKey[]): Promise<void> {
    await within(QUEUE_TIMEOUT_MS, Promise.all(keys.map((key) => this.deadLetters.remove(messageId(key)))));
  }

  /** @returns the keys of messages that will reach no worker any more: the queue lost them or has finished with them */
  async findLost<Key extends MessageKey>(keys: Key[]): Promise<Key[]> {
    return this.findOutside([...ON_THE_WAY, 'active'], this.notifications, keys);
  }

  /** @returns the keys that have no entry in the dead-letter queue */
  async findWithoutDeadLetter<Key extends MessageKey>(keys: Key[]): Promise<Key[]> {
    return this.findOutside(ON_THE_WAY, this.deadLetters, keys);
  }

  private sendCheck(): Check {
    // One look-up. A count of the messages would read all that wait.
    const check: Check = { sentAt: Date.now(), answer: this.notifications.isPaused() };
    const forget = () => {
      if (this.check === check) this.check = null;
    };
    check.answer.then(forget, forget);
    this.check = check;
    return check;
  }

  private async findOutside<Key extends MessageKey>(expected: string[], queue: Queue, keys: Key[]): Promise<Key[]> {
    const lookUps = Promise.all(keys.map((key) => queue.getJobState(messageId(key))));
    const states = await within(QUEUE_TIMEOUT_MS, lookUps);
    return keys.filter((_, index) => !expected.includes(states[index] ?? ''));
  }
}

/** Adds a single job by itself: a batch costs a queue in PostgreSQL two temporary tables. */
async function addAll(queue: Queue, jobs: { name: string; data: object; opts: JobsOptions }[]): Promise<void> {
  const [first] = jobs;
  if (jobs.length > 1) await queue.addBulk(jobs);
  else if (first !== undefined) await queue.add(first.name, first.data, first.opts);
}

function messageId({ claimId, round }: MessageKey): string {
  return `${claimId}-${round}`;
}
