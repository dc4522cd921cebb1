import type { IncomingMessage, ServerResponse } from 'node:http';

/** The time that a sender who was answered early has to come to the end of its body before it is hung up on. */
const MAX_DRAIN_MS = 10_000;

/**
 * Node reads and drops what still comes of a body once the answer is out, so that the sender sees the answer and the
 * connection is fit for its next request. It would do so for as long as a request may take: here it ends sooner.
 */
export function boundUnreadBody(request: IncomingMessage, response: ServerResponse): void {
  response.once('finish', () => {
    if (request.complete) return;
    const limit = setTimeout(() => request.socket.destroy(), MAX_DRAIN_MS).unref();
    request.once('close', () => clearTimeout(limit));
  });
}
