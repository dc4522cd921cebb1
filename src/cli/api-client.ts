import type { ProblemDetail } from '../http/refusal.js';
import { withoutTrailing } from '../values/without-trailing.js';
import { Failure } from './failure.js';

/** The limit for every answer except those to uploads; `Prefer: wait` takes at most 30 s of it. */
const ANSWER_LIMIT_MS = 60_000;

const BROKEN_CONNECTION = /^(ECONNRESET|EPIPE|ETIMEDOUT|UND_ERR_SOCKET|other side closed)$/;

/** The server's description of an error (RFC 9457). */
export interface ProblemDocument {
  status: number;
  title?: string;
  detail?: string;
  code?: string;
  errors?: ProblemDetail[];
}

/** The server refused a request. */
export class Problem extends Error {
  constructor(readonly document: ProblemDocument) {
    super(document.detail ?? document.title ?? `status ${document.status}`);
  }
}

/** No server answers, the connection broke, or it is not a counterpart server. */
export class Unreachable extends Error {}

/** A client of the server's HTTP API. */
export class ApiClient {
  constructor(
    readonly url: string,
    private readonly headers: Record<string, string> = {},
  ) {}

  /** A client of the same server for another source. */
  forSource(source: string): ApiClient {
    return new ApiClient(this.url, { ...this.headers, 'X-Source': source });
  }

  async get<T>(path: string, headers: Record<string, string> = {}): Promise<T> {
    return this.json<T>(await this.open(path, { headers, signal: AbortSignal.timeout(ANSWER_LIMIT_MS) }));
  }

  async post<T>(path: string): Promise<T> {
    return this.json<T>(await this.open(path, { method: 'POST', signal: AbortSignal.timeout(ANSWER_LIMIT_MS) }));
  }

  async postJson<T>(path: string, body: object): Promise<T> {
    const headers = { 'Content-Type': 'application/json' };
    const signal = AbortSignal.timeout(ANSWER_LIMIT_MS);
    return this.json<T>(await this.open(path, { method: 'POST', body: JSON.stringify(body), headers, signal }));
  }

  async delete(path: string): Promise<void> {
    await this.open(path, { method: 'DELETE', signal: AbortSignal.timeout(ANSWER_LIMIT_MS) });
  }

  /** Streams a body, without a time limit. */
  async upload<T>(path: string, body: AsyncIterable<Uint8Array>, headers: Record<string, string>): Promise<T> {
    return this.json<T>(await this.open(path, { method: 'POST', body, headers, duplex: 'half' }));
  }

  /** The raw answer, if its status is 2xx. @throws Problem, Unreachable */
  async open(path: string, init: RequestInit & { headers?: Record<string, string> } = {}): Promise<Response> {
    const response = await this.reach(path, { ...init, headers: { ...this.headers, ...init.headers } });
    if (response.ok) return response;
    const text = await response.text().catch(() => '');
    throw new Problem({ ...parseProblem(text, response.statusText), status: response.status });
  }

  private async reach(path: string, init: RequestInit): Promise<Response> {
    try {
      return await fetch(withoutTrailing('/', this.url) + path, init);
    } catch (error) {
      // Errors of reading the body, such as a file that cannot be read any more, are thrown here too.
      if (error instanceof Failure) throw error;
      if ((error as Error).cause instanceof Failure) throw (error as Error).cause;
      throw new Unreachable(whyUnreachable(this.url, error), { cause: error });
    }
  }

  private async json<T>(response: Response): Promise<T> {
    try {
      return (await response.json()) as T;
    } catch (error) {
      throw new Unreachable(`What answers at ${this.url} is not a counterpart server.`, { cause: error });
    }
  }
}

function parseProblem(text: string, statusText: string): Partial<ProblemDocument> {
  try {
    return JSON.parse(text) as Partial<ProblemDocument>;
  } catch {
    return { title: statusText };
  }
}

/** The reason in a sentence; `fetch` has it in the error's cause. */
function whyUnreachable(url: string, error: unknown): string {
  const { cause, name } = error as { cause?: { code?: string; message?: string }; name?: string };
  if (name === 'TimeoutError') return `The server at ${url} does not answer in time.`;
  const why = cause?.code ?? cause?.message;
  const isNobody = why === undefined || !BROKEN_CONNECTION.test(why);
  return `${isNobody ? `No server answers at ${url}` : `The connection to ${url} broke`}${why ? ` (${why})` : ''}.`;
}
