import http from 'node:http';
import https from 'node:https';
import type { IncomingMessage } from 'node:http';
import { connectionFailure } from '../http/connection-failure.js';
import type { WebhookTargets } from './webhook-targets.js';

/** How an attempt ended. `reason` is null if the receiver accepted the message. */
export interface Outcome {
  responseStatus: number | null;
  reason: string | null;
}

/** A request to a receiver. */
export interface Message {
  url: string;
  headers: Record<string, string>;
  body: string;
}

/** Only the status of an answer is used; beyond this size the connection is closed. */
const MAX_ANSWER_BYTES = 64 * 1024;

/** Sends one request to a receiver: over a new connection, without proxies and redirects, within a time limit. */
export class WebhookPost {
  constructor(
    private readonly targets: WebhookTargets,
    private readonly timeoutMs: number,
  ) {}

  /** Never rejects. @returns null if `signal` was aborted before the receiver had answered */
  async send({ url, headers, body }: Message, signal: AbortSignal): Promise<Outcome | null> {
    const target = new URL(url);
    if (!this.targets.mayConnect(target)) return failure('target_not_public');
    return new Promise((resolve) => {
      const { request: begin } = target.protocol === 'https:' ? https : http;
      // Without an agent no connection is reused, and no proxy of the environment is used.
      const request = begin(target, { method: 'POST', headers, agent: false, lookup: this.targets.lookup });
      let answer: Outcome | null = null;
      const end = (otherwise: Outcome | null) => {
        clearTimeout(limit);
        signal.removeEventListener('abort', abort);
        resolve(answer ?? otherwise);
        request.destroy();
      };
      const abort = () => end(null);
      const limit = setTimeout(() => end(failure('timeout')), this.timeoutMs);
      signal.addEventListener('abort', abort);
      request
        .on('response', (response) => {
          answer = outcomeOf(response.statusCode ?? 0);
          void drain(response).then(() => end(answer));
        })
        .on('error', (error: NodeJS.ErrnoException) => end(failure(connectionFailure(error))))
        .on('close', () => end(failure('connection_failed')))
        .end(body);
      if (signal.aborted) abort();
    });
  }
}

function outcomeOf(responseStatus: number): Outcome {
  if (responseStatus >= 200 && responseStatus < 300) return { responseStatus, reason: null };
  return { responseStatus, reason: responseStatus >= 300 && responseStatus < 400 ? 'redirect' : 'refused' };
}

function failure(reason: string): Outcome {
  return { responseStatus: null, reason };
}

/** Reads the answer to its end, within limits, so that the receiver does not see an aborted connection. */
async function drain(response: IncomingMessage): Promise<void> {
  let bytes = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > MAX_ANSWER_BYTES) return;
    }
  } catch {
    // The status has arrived, which is enough.
  }
}
