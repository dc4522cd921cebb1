import { randomUUID } from 'node:crypto';
import { type ServerResponse, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { Refusal } from './refusal.js';

/** The statuses for error codes of Node's parser that mean more than malformed. */
const STATUSES: Record<string, number> = { HPE_HEADER_OVERFLOW: 431, ERR_HTTP_REQUEST_TIMEOUT: 408 };

/** Answers a request that is malformed or too late, in the shape of all other errors, and closes the connection. */
export function answerMalformedRequest(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable || hasBegunToAnswer(socket)) {
    socket.destroy();
    return;
  }
  const status = STATUSES[error.code ?? ''] ?? 400;
  const body = JSON.stringify(
    new Refusal(status, 'malformed_request', 'This is not a readable HTTP request.').toProblem(),
  );
  const headers = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    `X-Request-Id: ${randomUUID()}`,
    'Content-Type: application/problem+json; charset=utf-8',
    'X-Content-Type-Options: nosniff',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
  ];
  socket.end(`${headers.join('\r\n')}\r\n\r\n${body}`);
}

/** Whether the malformed data follows a request whose answer is being sent: ours would end up inside that answer. */
function hasBegunToAnswer(socket: Duplex): boolean {
  // Node keeps the answer there, and checks it itself where no listener handles such errors.
  const { _httpMessage: current } = socket as Duplex & { _httpMessage?: ServerResponse | null };
  return current?.headersSent ?? false;
}
