import type { Pulled } from './dialects.js';

/**
 * What may help: asking again (`retry`), nothing (`none`), or nothing unless the source has answered the same before
 * (`refused`: a 4xx, which some sources give at their end).
 */
export type Remedy = 'retry' | 'refused' | 'none';

/** What else is known of a fault. */
interface Circumstances {
  /** For how long the source wants to be left alone. */
  retryAfterMs?: number;
  /** Whether a part of the answer had come: the source may have moved on. */
  hasBegun?: boolean;
}

/**
 * A source is down, wrong or hostile. `code` and `detail` are shown to callers, so they hold nothing that the source has sent
 * and no addresses.
 */
export class SourceFault extends Error {
  readonly retryAfterMs: number;
  readonly hasBegun: boolean;
  /** What was asked for, where that is known. */
  resource: Pulled | null = null;

  constructor(
    readonly code: string,
    readonly detail: string,
    readonly remedy: Remedy,
    { retryAfterMs = 0, hasBegun = false }: Circumstances = {},
  ) {
    super(`${code}: ${detail}`);
    this.retryAfterMs = retryAfterMs;
    this.hasBegun = hasBegun;
  }

  /** The same fault of an answer that had begun. */
  begun(): SourceFault {
    return new SourceFault(this.code, this.detail, this.remedy, { retryAfterMs: this.retryAfterMs, hasBegun: true });
  }
}

/** An answer that is complete and does not have the form of its dialect. */
export function malformed(detail: string): SourceFault {
  return new SourceFault('malformed_answer', `The answer is not what the dialect says: ${detail}`, 'retry');
}
