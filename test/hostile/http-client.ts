import { Agent, type IncomingHttpHeaders, request } from 'node:http';
import { hostname } from 'node:os';

/** Requests that are under way at once. */
const AT_ONCE = 8;

/** What is sent. The path goes out as it is: `fetch` would tidy it up. */
export interface Question {
  method: string;
  path: string;
  headers?: Record<string, string>;
  body?: string | Buffer;
}

/** What came back. */
export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
}

/** What must stand in no answer: stacks, SQL, tables, drivers' words, paths, versions of what we run on, our host. */
const SECRETS = new RegExp(
  [
    String.raw`\n\s+at |node_modules|file://|\.[jt]s:\d`,
    String.raw`\bselect\b.+\bfrom\b|insert into|sync_job|snapshot_chunk|mirror_state|webhook_endpoint|pg_|relation "`,
    String.raw`QueryFailed|DriverException|MikroORM|ECONN|syntax error|violates|invalid input`,
    String.raw`/home/|/work/|/tmp/|/usr/|/app/dist`,
    String.raw`\bExpress\b|PostgreSQL \d|node v\d|v24\.\d|${hostname()}`,
  ].join('|'),
  'i',
);

/** Asks many things at once over few connections. */
export class Asker {
  private readonly agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });

  constructor(private readonly server: { url: string }) {}

  ask({ method, path, headers = {}, body }: Question): Promise<Answer> {
    const { hostname, port } = new URL(this.server.url);
    const length = body === undefined ? {} : { 'Content-Length': String(Buffer.byteLength(body)) };
    return new Promise((resolve, reject) => {
      const options = { hostname, port, method, path, headers: { ...length, ...headers }, agent: this.agent };
      const sent = request(options, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (part: string) => (text += part));
        response.on('error', reject);
        response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }));
      });
      sent.on('error', (error: NodeJS.ErrnoException) => {
        // A kept connection may be closed at the very moment at which it is used again.
        if (sent.reusedSocket && error.code === 'ECONNRESET') {
          resolve(this.ask({ method, path, headers, body }));
        } else reject(error);
      });
      sent.end(body);
    });
  }

  /** Asks all questions and tells what is wrong with the answers, one line each. */
  async complaints(questions: Question[], complain = complaintAbout): Promise<string[]> {
    const found: string[] = [];
    const rest = questions.values();
    const work = async () => {
      for (const question of rest) {
        const complaint = complain(await this.ask(question));
        if (complaint) found.push(`${complaint.slice(0, 300)} << ${JSON.stringify(question).slice(0, 300)}`);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    // A few tell what is wrong.
    return found.length > 10 ? [`${found.length} of ${questions.length}`, ...found.slice(0, 10)] : found;
  }

  close(): void {
    this.agent.destroy();
  }
}

/** What no answer may be, whatever was asked; null if it is well. */
export function complaintAbout({ status, headers, text }: Answer): string | null {
  const type = headers['content-type'] ?? '';
  if (status >= 500) return `${status} ${text}`;
  if (headers['x-content-type-options'] !== 'nosniff') return `${status} without nosniff`;
  if (headers['x-injected'] !== undefined || text.includes('\r\nX-Injected')) return 'a header was injected';
  if (Object.keys(headers).some((name) => name.startsWith('access-control-'))) return 'it speaks of other origins';
  if (headers['x-powered-by'] ?? headers.server) return 'it says what it runs on';
  if (status >= 400 && type !== 'application/problem+json; charset=utf-8') return `${status} as ${type}`;
  if (status >= 400 && JSON.parse(text).status !== status) return 'the problem has another status';
  const secret = SECRETS.exec(text);
  return status >= 400 && secret ? `it tells "${secret[0]}": ${text}` : null;
}
