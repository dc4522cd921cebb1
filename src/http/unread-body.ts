import type { IncomingMessage, ServerResponse } from 'node:http';

/** How long a sender that was answered early may go on sending its body before the connection is closed. */
const MAX_DRAIN_MS = 10_000;

/**
 * Once the answer is sent, Node reads and drops the rest of the body, so that the sender sees the answer and can use the
 * connection for its next request. It would do so for as long as a request may take; this sets a shorter limit.
 */
export function boundUnreadBody(request: IncomingMessage, response: ServerResponse): void {
  response.once('finish', () => {
    if (request.complete) return;
    const limit = setTimeout(() => request.socket.destroy(), MAX_DRAIN_MS).unref();
    request.once('close', () => clearTimeout(limit));
  });
}
