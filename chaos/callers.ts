import { request } from 'node:http';
import type { SeededRandom } from './seeded-random.js';
import type { Findings } from './findings.js';

/** A process may be paused for longer than this; the request is then repeated at another one. */
const REQUEST_TIMEOUT_MS = 15_000;

/** The answer to a request. */
export interface Answer {
  status: number;
  body: any;
}

/** Calls the API as its clients do: at any of its processes, with answers that fail counted and left for a retry. */
export class Callers {
  /** Requests without a useful answer: refused connections, lost ones, 503, 429. */
  unanswered = 0;

  constructor(
    private readonly urls: string[],
    private readonly random: SeededRandom,
    private readonly findings: Findings,
  ) {}

  /** @returns null if there was no answer, or one that asks for a retry */
  async ask(source: string, path: string, init: RequestInit = {}): Promise<Answer | null> {
    const answer = await this.tryToAsk(source, path, init).catch(() => null);
    if (answer === null || answer.status === 429 || answer.status === 503) {
      this.unanswered += 1;
      return null;
    }
    if (answer.status < 500) return answer;
    this.findings.add('server error', `${init.method ?? 'GET'} ${path.split('?')[0]} answered ${answer.status}`);
    return null;
  }

  /** All items of a list, page by page; null if a page was not answered. */
  async list(source: string, path: string): Promise<any[] | null> {
    const items: any[] = [];
    let cursor: string | null = null;
    do {
      const query: string = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`;
      const answer = await this.ask(source, `${path}?limit=1000${query}`);
      if (answer?.status !== 200) return null;
      for (const item of answer.body.items) items.push(item);
      cursor = answer.body.nextCursor;
    } while (cursor !== null);
    return items;
  }

  /** Sends half of a body and hangs up. */
  async abort(source: string, path: string, body: Buffer, headers: Record<string, string>): Promise<void> {
    const options = { method: 'POST', headers: { ...headers, 'X-Source': source, 'Content-Length': body.length } };
    await new Promise<void>((resolve) => {
      const upload = request(new URL(path, this.random.pick(this.urls)), options, (response) => response.resume());
      upload.on('error', () => resolve());
      upload.on('close', () => resolve());
      upload.write(body.subarray(0, Math.floor(body.length / 2)), () => setTimeout(() => upload.destroy(), 50));
      setTimeout(() => upload.destroy(), 2_000).unref();
    });
  }

  private async tryToAsk(source: string, path: string, init: RequestInit): Promise<Answer> {
    const response = await fetch(new URL(path, this.random.pick(this.urls)), {
      ...init,
      headers: { ...(init.headers as Record<string, string>), 'X-Source': source },
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
    });
    return { status: response.status, body: await response.json() };
  }
}
