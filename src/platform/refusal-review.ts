import type { ServerResponse } from 'node:http';
import type { Refusal } from './refusal.js';

/** Looks at a refusal before it is sent, and says what is to be told instead, or the same again. */
export type RefusalReview = (refusal: Refusal) => Promise<Refusal>;

const reviews = new WeakMap<ServerResponse, RefusalReview>();

/** Has refusals of a request looked at before they are sent. */
export function reviewRefusals(response: ServerResponse, review: RefusalReview): void {
  reviews.set(response, review);
}

/** Who looks at the refusal of a request, if anybody. Asked once: what comes of it is not looked at again. */
export function takeReview(response: ServerResponse): RefusalReview | null {
  const review = reviews.get(response) ?? null;
  reviews.delete(response);
  return review;
}
