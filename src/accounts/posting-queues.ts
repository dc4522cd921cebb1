import { isTooSlow } from '../database/outage.js';
import { Refusal } from '../http/refusal.js';
import type { Semaphore } from './semaphore.js';
import { OutcomeUnknown, type Verdict } from './post-batch.js';
import { accountsOf, type Decision, type Posting } from './posting.js';

/** Postings of one transaction, which holds the locks of their accounts for some milliseconds. */
const MAX_BATCH = 256;

/** How often a posting may find its account locked before it waits for it: most locks are held for a moment only. */
const MAX_BUSY = 2;

/** How long a posting may wait for its accounts. Only something other than a posting locks one for longer. */
const MAX_WAIT_MS = 5_000;

/** Posts a batch of one source. `waits` are the accounts whose locks it waits for. */
export type Post = (
  postings: Posting[],
  waits: string[],
  isRepeated: boolean,
) => Promise<{ verdicts: Verdict[]; isRepeated: boolean }>;

/** A posting and the caller that waits for its decision. */
interface Waiting {
  posting: Posting;
  until: number;
  /** How often its account was locked by others. */
  busyCount: number;
  waits: string[];
  isRepeated: boolean;
  resolve: (decision: Decision) => void;
  reject: (error: unknown) => void;
}

/**
 * Queues the postings of one source. Those that arrive while a batch is being posted form the next batch (group
 * commit). This main queue never waits for a locked account: postings whose account another process has locked for
 * longer than a moment wait in a line for that account, and delay no others.
 */
export class PostingQueues {
  private main: Waiting[] = [];
  private running: Promise<void> | null = null;
  /** The lines of waiting postings, by the accounts that they wait for. */
  private readonly lines = new Map<string, Waiting[]>();
  private readonly onceIdle: (() => void)[] = [];

  /** @param lockWaiters limits how many lines may wait in the database at once */
  constructor(
    private readonly post: Post,
    private readonly lockWaiters: Semaphore,
  ) {}

  decide(posting: Posting): Promise<Decision> {
    return new Promise((resolve, reject) => {
      const until = Date.now() + MAX_WAIT_MS;
      this.enqueue({ posting, until, busyCount: 0, waits: [], isRepeated: false, resolve, reject });
    });
  }

  /** Returns once no posting waits. */
  idle(): Promise<void> {
    if (this.isIdle()) return Promise.resolve();
    return new Promise((resolve) => this.onceIdle.push(resolve));
  }

  private isIdle(): boolean {
    return this.running === null && this.lines.size === 0;
  }

  /** Adds it to the line for its account if there is one, otherwise to the main queue. */
  private enqueue(waiting: Waiting): void {
    const contended = accountsOf(waiting.posting).find((number) => this.lines.has(number));
    if (contended !== undefined) this.join({ ...waiting, waits: [contended] });
    else {
      this.main.push(waiting);
      this.running ??= this.runMain();
    }
  }

  private async runMain(): Promise<void> {
    while (this.main.length > 0) {
      const batch = takeBatch(this.main);
      const busy = await this.postAll(batch, []);
      const toLine = busy.filter(({ busyCount }) => busyCount > MAX_BUSY);
      for (const waiting of toLine) this.join(waiting);
      this.main.unshift(...busy.filter(({ busyCount }) => busyCount <= MAX_BUSY));
    }
    this.running = null;
    this.resolveIfIdle();
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
      // Each batch acquires the semaphore again, so that other lines get their turn in between.
      const busy = await this.lockWaiters.with(() => this.postAll(takeBatch(line), waits));
      for (const waiting of busy) {
        if (waiting.waits.length > waits.length) this.join(waiting);
        // It waited in vain for one account while it held the other: it starts again in the main queue.
        else if (waits.length > 1) this.enqueue({ ...waiting, waits: [] });
        else line.unshift(waiting);
      }
    }
    this.lines.delete(key);
    this.resolveIfIdle();
  }

  /** Posts a batch and resolves the postings that have a decision. Never rejects. @returns those without one */
  private async postAll(batch: Waiting[], waits: string[]): Promise<Waiting[]> {
    try {
      const isRepeated = batch.some((waiting) => waiting.isRepeated);
      const postings = batch.map(({ posting }) => posting);
      const result = await this.post(postings, waits, isRepeated);
      return batch.filter((waiting, place) => {
        const verdict = result.verdicts[place];
        if (verdict?.outcome !== 'busy') {
          if (verdict) waiting.resolve(verdict);
          else waiting.reject(new Error('the ledger returned no decision for a posting'));
          return false;
        }
        waiting.busyCount += 1;
        waiting.isRepeated ||= result.isRepeated;
        waiting.waits = [...new Set([...waits, verdict.busy])].toSorted();
        return hasTimeLeft(waiting);
      });
    } catch (error) {
      // The lock timeout was reached, and nothing was posted.
      if (waits.length > 0 && isTooSlow(error)) return batch.filter(hasTimeLeft);
      for (const { reject } of batch) reject(error);
      return [];
    }
  }

  private resolveIfIdle(): void {
    if (this.isIdle()) for (const resolve of this.onceIdle.splice(0)) resolve();
  }
}

/**
 * Takes the next batch from a queue. Of two postings with one key the second waits for the next batch, where it finds
 * the result of the first.
 */
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

/** Refuses a posting that has waited too long: nothing was posted, unless an earlier attempt may have done it. */
function hasTimeLeft(waiting: Waiting): boolean {
  if (Date.now() < waiting.until) return true;
  waiting.reject(waiting.isRepeated ? new OutcomeUnknown() : accountBusy());
  return false;
}

function accountBusy(): Refusal {
  const detail = 'The account has been locked by another transaction for too long. Nothing was posted; try again.';
  return new Refusal(503, 'account_busy', detail, { headers: { 'Retry-After': '2' } });
}
