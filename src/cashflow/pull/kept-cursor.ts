import type { Form } from '../source/dialects.js';
import { SourceFault } from '../source/source-fault.js';
import type { AnswerCollector } from './answer-collector.js';
import type { Answer, SourceCalls } from './source-calls.js';

/** After so many answers in a row that bring nothing, while the source answers pings, it has nothing left. */
const QUIET_ANSWERS = 3;

/** Windows in a row that were received before: a source that begins again and again. */
const MAX_OLD_WINDOWS = 100_000;

/** What an answer was: `repeated` is the last window once more, `old` one before that. */
export type KeptOutcome = 'new' | 'empty' | 'repeated' | 'old';

/** What is told of the reading. */
interface Told {
  /** An answer broke off: its rows, as far as they came. */
  lost: (rows: AnswerCollector) => void;
  /** Whether any window was received. */
  hasAny: () => boolean;
}

/**
 * Reads a source that remembers itself where it is, until its end: three answers in a row that are empty, failed, timed out or
 * repeat the last window, while it answers pings. One that does not answer pings is down, which is never its end; one that
 * gives windows from before the last one has begun again.
 * @param take takes an answer
 * @throws SourceFault
 */
export async function readKept(
  { calls, mayGoOn }: { calls: SourceCalls; mayGoOn: () => void },
  form: Form,
  take: (answer: Answer) => Promise<KeptOutcome>,
  { lost, hasAny }: Told,
): Promise<void> {
  let [quiet, old, malformed] = [0, 0, 0];
  while (quiet < QUIET_ANSWERS) {
    mayGoOn();
    const answer = await calls.attempt(form, '');
    if ('fault' in answer) {
      const { fault, rows } = answer;
      if (fault.remedy === 'none' || (fault.remedy === 'refused' && !hasAny())) throw fault;
      malformed = fault.code === 'malformed_answer' ? malformed + 1 : 0;
      if (malformed >= QUIET_ANSWERS) throw fault;
      if (fault.hasBegun) lost(rows);
      quiet = (await calls.wasThere()) ? quiet + 1 : 0;
      await calls.pause(quiet + 1, fault.retryAfterMs);
    } else {
      malformed = 0;
      const outcome = await take(answer);
      quiet = outcome === 'empty' || outcome === 'repeated' ? quiet + 1 : 0;
      old = outcome === 'old' ? old + 1 : 0;
      if (old > MAX_OLD_WINDOWS) throw new SourceFault('cursor_stuck', 'The source begins again and again.', 'none');
    }
  }
}
