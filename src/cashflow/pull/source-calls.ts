import { setTimeout as delay } from 'node:timers/promises';
import type { Config } from '../../settings/config.js';
import { AnswerReader } from '../source/answer-reader.js';
import { CircuitBreaker, pauseMs } from '../source/circuit-breaker.js';
import type { Form } from '../source/dialects.js';
import { midnight, readMoment, type Span, windowAround } from '../source/moments.js';
import { SourceClient } from '../source/source-client.js';
import { SourceFault } from '../source/source-fault.js';
import { AnswerCollector } from './answer-collector.js';

const PING = '/ping';

/** What was asked for and how it was answered. */
export interface Answer {
  rows: AnswerCollector;
  /** What stands beside the rows, such as a cursor. */
  told: ReadonlyMap<string, unknown>;
}

/** An answer that did not come whole. `rows` are those that came. */
export interface BrokenAnswer {
  fault: SourceFault;
  rows: AnswerCollector;
}

type ReadingLimits = Pick<Config, 'MAX_RECORD_BYTES' | 'PULL_ATTEMPTS' | 'PULL_RETRY_MS'>;

/** No pause between attempts is longer. */
const LONGEST_PAUSE_MS = 30_000;

/** The text of a row that cannot be read may grow to the sixfold, in a record that has other fields, too. */
const RAW_SHARE = 16;
const MAX_RAW_CHARACTERS = 10_000;

/** The requests of one pull: none while its source is down. */
export class SourceCalls {
  constructor(
    private readonly client: SourceClient,
    private readonly breaker: CircuitBreaker,
    private readonly limits: ReadingLimits,
    private readonly signal: AbortSignal,
  ) {}

  /** Resolves once the source answers. @throws SourceFault if it does not for too long */
  async begin(): Promise<void> {
    await this.breaker.check();
  }

  /**
   * Asks again until the answer is whole: for what may be asked for any number of times.
   * @throws SourceFault once it has failed too often, or if that is no use
   */
  async insist(form: Form, query: string, beforeEach: () => void): Promise<Answer> {
    for (let attempt = 1; ; attempt++) {
      beforeEach();
      const answer = await this.attempt(form, query);
      if (!('fault' in answer)) return answer;
      const { fault } = answer;
      if (fault.remedy !== 'retry') throw fault;
      // An outage is no attempt: it has a limit of its own.
      if (!(await this.breaker.check())) attempt = 0;
      else if (attempt >= this.limits.PULL_ATTEMPTS) throw fault;
      else await this.pause(attempt, fault.retryAfterMs);
    }
  }

  /** Asks once. @throws what is no fault of the source */
  async attempt(form: Form, query: string): Promise<Answer | BrokenAnswer> {
    await this.breaker.whenClosed();
    const { MAX_RECORD_BYTES } = this.limits;
    const maxRaw = Math.min(MAX_RAW_CHARACTERS, Math.floor(MAX_RECORD_BYTES / RAW_SHARE));
    const rows = new AnswerCollector(form, maxRaw);
    // Names of fields are longer in records than in rows.
    const reader = new AnswerReader(form.rows, Math.floor(MAX_RECORD_BYTES / 2), (row) => rows.add(row));
    const path = query === '' ? form.path : `${form.path}?${query}`;
    try {
      await this.client.read(path, this.signal, { mustBeJson: true, onBytes: (bytes) => reader.read(bytes) });
      reader.end();
    } catch (error) {
      if (!(error instanceof SourceFault)) throw error;
      return { fault: error, rows };
    }
    return { rows, told: reader.told };
  }

  /** After a failed request: whether the source was there all the time; else, once it is back. @throws SourceFault */
  wasThere(): Promise<boolean> {
    return this.breaker.check();
  }

  async pause(attempt: number, leastMs = 0): Promise<void> {
    const ms = pauseMs({ firstMs: this.limits.PULL_RETRY_MS, longestMs: LONGEST_PAUSE_MS }, attempt);
    await delay(Math.max(ms, leastMs), undefined, { signal: this.signal });
  }
}

/**
 * Whether a source is there: it answers, be it that there is no such path. A redirect or a certificate that does not fit is no
 * outage that passes. @throws SourceFault
 */
export async function answersPing(client: SourceClient, signal: AbortSignal): Promise<boolean> {
  try {
    await client.read(PING, signal, { mustBeJson: false, onBytes: () => undefined });
    return true;
  } catch (error) {
    if (!(error instanceof SourceFault)) throw error;
    if (error.remedy === 'none') throw error;
    return error.remedy === 'refused';
  }
}

/** The window of an answer: as it is told, else by its rows; null if it has neither. */
export function windowOf({ bounds, windows }: Form, { told, rows }: Answer): Span | null {
  const from = bounds ? readMoment(told.get(bounds.from)) : null;
  const to = bounds ? readMoment(told.get(bounds.to)) : null;
  if (from !== null && to !== null) return { from, to };
  const { firstAt, lastAt } = rows;
  if (firstAt === null || lastAt === null || !windows) return null;
  const around = windowAround(firstAt, windows);
  return lastAt < around.to ? around : { from: around.from, to: midnight(lastAt, 1) };
}
