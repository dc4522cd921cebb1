import type { ServerResponse } from 'node:http';
import type { Refusal } from './refusal.js';

/** Sees a refusal before it is sent, and returns the refusal to send: the same or another one. */
export type RefusalReview = (refusal: Refusal) => Promise<Refusal>;

const reviews = new WeakMap<ServerResponse, RefusalReview>();

/** Has refusals of a request reviewed before they are sent. */
export function reviewRefusals(response: ServerResponse, review: RefusalReview): void {
  reviews.set(response, review);
}

/** The review of a request's refusals, if there is one, once: its result is not reviewed again. */
export function takeReview(response: ServerResponse): RefusalReview | null {
  const review = reviews.get(response) ?? null;
  reviews.delete(response);
  return review;
}
