import { isTooSlow } from '../platform/outage.js';
import { Refusal } from '../platform/refusal.js';
import type { Semaphore } from './semaphore.js';
import { OutcomeUnknown, type Verdict } from './post-batch.js';
import { accountsOf, type Decision, type Posting } from './posting.js';

/** Postings of one transaction: some milliseconds for which it has its accounts. */
const MAX_BATCH = 256;

/** How often a posting meets an account that somebody else has before it waits for it: most have it for a moment only. */
const MAX_BOUNCES = 2;

/** How long a posting may wait for its accounts. Whoever has one for longer is no other posting. */
const MAX_WAIT_MS = 5_000;

/** Posts a batch of one source. `waits` are the accounts that it waits for. */
export type Post = (
  postings: Posting[],
  waits: string[],
  isRepeated: boolean,
) => Promise<{ verdicts: Verdict[]; isRepeated: boolean }>;

/** A posting and whoever waits for its decision. */
interface Waiting {
  posting: Posting;
  until: number;
  bounces: number;
  waits: string[];
  isRepeated: boolean;
  resolve: (decision: Decision) => void;
  reject: (error: unknown) => void;
}

/**
 * The postings of one source on their way into the ledger. All that come while a batch is being posted form the next one
 * (group commit). That lane never waits for an account: postings whose account another process has for longer than a
 * moment stand in a line of their own before it, and hold up nobody else.
 */
export class PostingQueues {
  private quick: Waiting[] = [];
  private running: Promise<void> | null = null;
  /** By the accounts that are waited for. */
  private readonly lines = new Map<string, Waiting[]>();
  private readonly idlers: (() => void)[] = [];

  /** @param places how many lines may wait in the database at once */
  constructor(
    private readonly post: Post,
    private readonly places: Semaphore,
  ) {}

  decide(posting: Posting): Promise<Decision> {
    return new Promise((resolve, reject) => {
      const until = Date.now() + MAX_WAIT_MS;
      this.admit({ posting, until, bounces: 0, waits: [], isRepeated: false, resolve, reject });
    });
  }

  /** Returns once nobody waits any more. */
  idle(): Promise<void> {
    if (this.isIdle()) return Promise.resolve();
    return new Promise((resolve) => this.idlers.push(resolve));
  }

  private isIdle(): boolean {
    return this.running === null && this.lines.size === 0;
  }

  /** Behind those that wait for the same account, else into the quick lane. */
  private admit(waiting: Waiting): void {
    const contended = accountsOf(waiting.posting).find((number) => this.lines.has(number));
    if (contended !== undefined) this.join({ ...waiting, waits: [contended] });
    else {
      this.quick.push(waiting);
      this.running ??= this.runQuick();
    }
  }

  private async runQuick(): Promise<void> {
    while (this.quick.length > 0) {
      const batch = takeBatch(this.quick);
      const bounced = await this.postAll(batch, []);
      const patient = bounced.filter(({ bounces }) => bounces > MAX_BOUNCES);
      for (const waiting of patient) this.join(waiting);
      this.quick.unshift(...bounced.filter(({ bounces }) => bounces <= MAX_BOUNCES));
    }
    this.running = null;
    this.tellIdlers();
  }

  private join(waiting: Waiting): void {
    const key = waiting.waits.join(' ');
    const line = this.lines.get(key);
    if (line) line.push(waiting);
    else {
      this.lines.set(key, [waiting]);
      void this.runLine(key, waiting.waits);
    }
  }

  private async runLine(key: string, waits: string[]): Promise<void> {
    const line = this.lines.get(key) ?? [];
    while (line.length > 0) {
      // Each batch takes its place anew: others that wait get their turn in between.
      const bounced = await this.places.with(() => this.postAll(takeBatch(line), waits));
      for (const waiting of bounced) {
        if (waiting.waits.length > waits.length) this.join(waiting);
        // Two accounts, one of which was waited for in vain while holding the other: from the beginning.
        else if (waits.length > 1) this.admit({ ...waiting, waits: [] });
        else line.unshift(waiting);
      }
    }
    this.lines.delete(key);
    this.tellIdlers();
  }

  /** Posts a batch and answers whoever has a decision. Never rejects. @returns those who have none yet */
  private async postAll(batch: Waiting[], waits: string[]): Promise<Waiting[]> {
    try {
      const isRepeated = batch.some((waiting) => waiting.isRepeated);
      const postings = batch.map(({ posting }) => posting);
      const result = await this.post(postings, waits, isRepeated);
      return batch.filter((waiting, place) => {
        const verdict = result.verdicts[place];
        if (verdict?.outcome !== 'busy') {
          if (verdict) waiting.resolve(verdict);
          else waiting.reject(new Error('the ledger has left a posting undecided'));
          return false;
        }
        waiting.bounces += 1;
        waiting.isRepeated ||= result.isRepeated;
        waiting.waits = [...new Set([...waits, verdict.busy])].toSorted();
        return mayGoOn(waiting);
      });
    } catch (error) {
      // Waited in vain, and nothing was posted.
      if (waits.length > 0 && isTooSlow(error)) return batch.filter(mayGoOn);
      for (const { reject } of batch) reject(error);
      return [];
    }
  }

  private tellIdlers(): void {
    if (this.isIdle()) for (const tell of this.idlers.splice(0)) tell();
  }
}

/** Takes what may be posted at once: the same key twice is for two batches, so that the second finds what the first did. */
function takeBatch(queue: Waiting[]): Waiting[] {
  const keys = new Set<string>();
  const later: Waiting[] = [];
  const batch: Waiting[] = [];
  while (queue.length > 0 && batch.length < MAX_BATCH && later.length < MAX_BATCH) {
    const waiting = queue.shift() as Waiting;
    const key = waiting.posting.idempotencyKey;
    if (key !== null && keys.has(key)) later.push(waiting);
    else batch.push(waiting);
    if (key !== null) keys.add(key);
  }
  queue.unshift(...later);
  return batch;
}

/** Whoever has waited for too long is told so: nothing was posted, unless an earlier attempt may have done it. */
function mayGoOn(waiting: Waiting): boolean {
  if (Date.now() < waiting.until) return true;
  waiting.reject(waiting.isRepeated ? new OutcomeUnknown() : accountBusy());
  return false;
}

function accountBusy(): Refusal {
  const detail = 'The account is in use by something that takes its time. Nothing was posted; try again.';
  return new Refusal(503, 'account_busy', detail, { headers: { 'Retry-After': '2' } });
}
