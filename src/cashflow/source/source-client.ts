import http, { type IncomingMessage } from 'node:http';
import https from 'node:https';
import { connectionFailure } from '../../http/connection-failure.js';
import { SourceFault } from './source-fault.js';
import type { SourceTargets } from './source-targets.js';

/** The limits of one request. */
export interface RequestLimits {
  /** For how long nothing may come, before and in the answer. */
  silenceMs: number;
  /** How long the answer may take in all. */
  answerMs: number;
  maxBytes: number;
}

/** What a request is answered with. */
export interface AnswerOptions {
  /** Whether the answer has to say that it is JSON. */
  mustBeJson: boolean;
  /** Given the bytes as they come. What it throws ends the request. */
  onBytes: (bytes: Buffer) => void;
}

const HEADERS = { accept: 'application/json', 'accept-encoding': 'identity', 'user-agent': 'counterpart-pull' };

const JSON_TYPES = /^(application\/json|text\/json|application\/[\w.-]{1,60}\+json)$/;

/** Statuses that another attempt may not meet: time-out, too early, too many requests. */
const PASSING = [408, 425, 429];

/** The longest pause that a source can ask for. */
const MAX_RETRY_AFTER_MS = 300_000;

/** Failures of the connection that no further attempt will change. */
const LASTING: Record<string, string> = {
  target_not_public: 'Its address is not one that may be pulled from.',
  tls_failed: 'Its certificate cannot be trusted, or it does not speak TLS.',
  not_http: 'What answers there does not speak HTTP.',
};

/** Sends requests to one source: without proxies and redirects, to allowed addresses only, and within limits. */
export class SourceClient {
  constructor(
    private readonly baseUrl: string,
    private readonly targets: SourceTargets,
    private readonly limits: RequestLimits,
  ) {}

  /**
   * Reads one answer to its end.
   * @param path with its query, after the base address
   * @throws SourceFault, and what `onBytes` throws
   */
  async read(path: string, signal: AbortSignal, options: AnswerOptions): Promise<void> {
    const url = new URL(`${this.baseUrl}${path}`);
    if (!this.targets.mayConnect(url)) throw lasting('target_not_public');
    const end = new AbortController();
    const late = setTimeout(
      () => end.abort(new SourceFault('answer_too_slow', 'An answer took longer than it may.', 'none')),
      this.limits.answerMs,
    );
    const stop = () => end.abort(signal.reason);
    signal.addEventListener('abort', stop);
    try {
      if (signal.aborted) stop();
      await this.exchange(url, end.signal, options);
    } finally {
      clearTimeout(late);
      signal.removeEventListener('abort', stop);
    }
  }

  private exchange(url: URL, signal: AbortSignal, options: AnswerOptions): Promise<void> {
    return new Promise((resolve, reject) => {
      const { request: begin } = url.protocol === 'https:' ? https : http;
      const { lookup } = this.targets;
      const silent = { hasBegun: false };
      // Without an agent no connection is reused: one that the source has closed meanwhile would look like a lost answer.
      const request = begin(url, { method: 'GET', headers: HEADERS, agent: false, lookup });
      const finish = (outcome: unknown) => {
        clearTimeout(silence);
        signal.removeEventListener('abort', abort);
        if (outcome === null) resolve();
        else reject(outcome);
        request.destroy();
      };
      const abort = () => finish(signal.reason);
      const onSilence = () => finish(new SourceFault('timeout', 'The source did not answer in time.', 'retry', silent));
      // Set anew with each piece; it limits the look-up and the connection, too.
      let silence = setTimeout(onSilence, this.limits.silenceMs);
      const onSign = () => {
        clearTimeout(silence);
        silence = setTimeout(onSilence, this.limits.silenceMs);
      };
      signal.addEventListener('abort', abort);
      if (signal.aborted) abort();
      request
        .on('response', (response) => {
          onSign();
          this.receive(response, options, () => {
            silent.hasBegun = true;
            onSign();
          }).then(() => finish(null), finish);
        })
        .on('error', (error: NodeJS.ErrnoException) => finish(faultOf(error, silent.hasBegun)))
        .on('close', () => finish(broken(silent.hasBegun)))
        .end();
    });
  }

  private async receive(response: IncomingMessage, options: AnswerOptions, onSign: () => void): Promise<void> {
    refuseUnlessFit(response, options.mustBeJson);
    const { maxBytes } = this.limits;
    const tooLarge = () => new SourceFault('answer_too_large', `An answer has more than ${maxBytes} bytes.`, 'none');
    if (Number(response.headers['content-length'] ?? 0) > maxBytes) throw tooLarge();
    let bytes = 0;
    try {
      for await (const piece of response as AsyncIterable<Buffer>) {
        onSign();
        bytes += piece.length;
        if (bytes > maxBytes) throw tooLarge();
        options.onBytes(piece);
      }
    } catch (error) {
      if (error instanceof SourceFault) throw bytes > 0 ? error.begun() : error;
      // What has no code is none of the connection's.
      throw error instanceof Error && 'code' in error ? faultOf(error as NodeJS.ErrnoException, bytes > 0) : error;
    }
    if (!response.complete) throw broken(bytes > 0);
  }
}

function refuseUnlessFit({ statusCode = 0, headers }: IncomingMessage, mustBeJson: boolean): void {
  if (statusCode >= 300 && statusCode < 400) {
    throw new SourceFault('redirect', 'The source answered with a redirect, which is not followed.', 'none');
  }
  if (statusCode !== 200) throw faultOfStatus(statusCode, headers['retry-after']);
  const encoding = headers['content-encoding'] ?? 'identity';
  if (encoding !== 'identity') {
    throw new SourceFault('compressed_answer', 'An answer is compressed, which was not asked for.', 'none');
  }
  const type = (headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
  if (mustBeJson && type !== '' && !JSON_TYPES.test(type)) {
    throw new SourceFault('wrong_content_type', 'An answer is not JSON by its Content-Type.', 'none');
  }
}

function faultOfStatus(status: number, retryAfter: string | undefined): SourceFault {
  const detail = `The source answered with the status ${status}.`;
  const isRefused = status >= 400 && status < 500 && !PASSING.includes(status);
  if (isRefused) return new SourceFault(`status_${status}`, detail, 'refused');
  const seconds = /^\d{1,6}$/.test(retryAfter ?? '') ? Number(retryAfter) : 0;
  const retryAfterMs = Math.min(seconds * 1000, MAX_RETRY_AFTER_MS);
  return new SourceFault(`status_${status}`, detail, 'retry', { retryAfterMs });
}

function faultOf(error: NodeJS.ErrnoException, hasBegun: boolean): SourceFault {
  const code = error.code?.startsWith('HPE_') ? 'not_http' : connectionFailure(error);
  if (code in LASTING) return lasting(code);
  return new SourceFault(code, `The source cannot be reached: ${code}.`, 'retry', { hasBegun });
}

function lasting(code: string): SourceFault {
  const shown = code === 'target_not_public' ? 'target_not_allowed' : code;
  return new SourceFault(shown, LASTING[code] ?? '', 'none');
}

function broken(hasBegun: boolean): SourceFault {
  return new SourceFault('connection_lost', 'The connection ended before the answer did.', 'retry', { hasBegun });
}
