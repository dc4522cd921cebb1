import { InjectQueue } from '@nestjs/bullmq';
import { Inject, Injectable, Logger } from '@nestjs/common';
import type { JobsOptions, Queue } from 'bullmq';
import { CONFIG, type Config } from '../platform/config.js';
import { KEPT, ON_THE_WAY, QUEUE_TIMEOUT_MS, within } from '../platform/queue-call.js';
import { safeError } from '../platform/safe-error.js';
import { type DeadLetter, PAYMENT_QUEUES, type PaymentMessage } from './payment-queues.js';
import { RETRY_SCHEDULE } from './retry-delay.js';

/** A question may have got lost with its connection. */
const ASK_AGAIN_MS = 10_000;

/** One message to the payments service, by what its id is made of. */
export type MessageKey = Pick<PaymentMessage, 'claimId' | 'round'>;

interface Question {
  askedAt: number;
  answer: Promise<unknown>;
}

/** The two queues between claims and the payments service. A message that is in its queue already is not added again. */
@Injectable()
export class PaymentQueue {
  private readonly logger = new Logger(PaymentQueue.name);
  private question: Question | null = null;

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
   * Fails unless the queue answers. A question that waits for its answer is not asked again and again: what is asked of a
   * Redis that is away is kept in memory until it is back.
   */
  async mustAnswer(): Promise<void> {
    const asked =
      this.question !== null && Date.now() - this.question.askedAt < ASK_AGAIN_MS ? this.question : this.ask();
    await within(QUEUE_TIMEOUT_MS, asked.answer);
  }

  async tell(messages: PaymentMessage[]): Promise<void> {
    const { PAYMENT_ATTEMPTS: attempts, PAYMENT_RETRY_MS: delay } = this.config;
    const backoff = { type: RETRY_SCHEDULE, delay };
    const kept = { attempts, backoff, removeOnComplete: KEPT, removeOnFail: KEPT };
    const jobs = messages.map((data) => ({ name: 'claim', data, opts: { ...kept, jobId: messageId(data) } }));
    await within(QUEUE_TIMEOUT_MS, addAll(this.notifications, jobs));
  }

  /** Lays failed ones aside, where they stay until they are told again. */
  async bury(letters: (DeadLetter & MessageKey)[]): Promise<void> {
    const jobs = letters.map(({ round, ...data }) => ({
      name: 'dead letter',
      data,
      opts: { jobId: messageId({ claimId: data.claimId, round }) },
    }));
    await within(QUEUE_TIMEOUT_MS, addAll(this.deadLetters, jobs));
  }

  /** Takes dead letters away. Those that are not there are fine. */
  async exhume(keys: MessageKey[]): Promise<void> {
    await within(QUEUE_TIMEOUT_MS, Promise.all(keys.map((key) => this.deadLetters.remove(messageId(key)))));
  }

  /** Those of which the queue knows nothing, or nothing that still leads anywhere. */
  async findLost<Key extends MessageKey>(keys: Key[]): Promise<Key[]> {
    return this.unless(keys, this.notifications, [...ON_THE_WAY, 'active']);
  }

  /** Those that should lie aside and do not. */
  async findUnburied<Key extends MessageKey>(keys: Key[]): Promise<Key[]> {
    return this.unless(keys, this.deadLetters, ON_THE_WAY);
  }

  private ask(): Question {
    const question: Question = { askedAt: Date.now(), answer: this.notifications.getWaitingCount() };
    const forget = () => {
      if (this.question === question) this.question = null;
    };
    question.answer.then(forget, forget);
    this.question = question;
    return question;
  }

  private async unless<Key extends MessageKey>(keys: Key[], queue: Queue, expected: string[]): Promise<Key[]> {
    const asked = Promise.all(keys.map((key) => queue.getJobState(messageId(key))));
    const states = await within(QUEUE_TIMEOUT_MS, asked);
    return keys.filter((_, index) => !expected.includes(states[index] ?? ''));
  }
}

/** A single one goes by itself: a batch costs a queue in PostgreSQL two temporary tables. */
async function addAll(queue: Queue, jobs: { name: string; data: object; opts: JobsOptions }[]): Promise<void> {
  const [first] = jobs;
  if (jobs.length > 1) await queue.addBulk(jobs);
  else if (first !== undefined) await queue.add(first.name, first.data, first.opts);
}

function messageId({ claimId, round }: MessageKey): string {
  return `${claimId}-${round}`;
}
