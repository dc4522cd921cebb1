import { Refusal } from '../../http/refusal.js';

const DURATION = /^P(?:(\d{1,4})W)?(?:(\d{1,4})D)?(?:T(?:(\d{1,5})H)?(?:(\d{1,7})M)?(?:(\d{1,9})S)?)?$/;

/** The longest duration that is looked at. */
const MAX_CHARACTERS = 40;

const SECONDS = [604_800, 86_400, 3_600, 60, 1];

const LEAST_SECONDS = 60;
const MOST_SECONDS = 366 * 86_400;

/**
 * The seconds of an ISO 8601 duration such as `PT1H` or `P1DT12H`. Years and months, which have no fixed length, are refused.
 * @throws Refusal 400
 */
export function readEvery(text: string): number {
  const match = text.length <= MAX_CHARACTERS ? DURATION.exec(text) : null;
  const parts = (match ?? []).slice(1);
  const isSaid = parts.some((part) => part !== undefined) && !text.endsWith('T');
  const seconds = parts.reduce((sum, part, place) => sum + Number(part ?? 0) * (SECONDS[place] ?? 0), 0);
  if (isSaid && seconds >= LEAST_SECONDS && seconds <= MOST_SECONDS) return seconds;
  const detail = 'must be a duration such as PT1H or P1D, of at least a minute and at most 366 days.';
  throw Refusal.field('every', detail);
}
