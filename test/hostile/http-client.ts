import { Agent, type IncomingHttpHeaders, request } from 'node:http';
import { hostname } from 'node:os';

/** Concurrent requests, and connections. */
const CONCURRENCY = 8;

/** A request to send. The path is sent unchanged: `fetch` would normalize it. */
export interface HttpRequest {
  method: string;
  path: string;
  headers?: Record<string, string>;
  body?: string | Buffer;
}

/** The response to it. */
export interface HttpResponse {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
}

/** What no response may contain: stacks, SQL, tables, messages of drivers, paths, versions of the platform, the host's name. */
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

/** Sends many requests over few connections. */
export class HttpClient {
  private readonly agent = new Agent({ keepAlive: true, maxSockets: CONCURRENCY });

  constructor(private readonly server: { url: string }) {}

  /** Sends one request. @throws Error if there is no response */
  send({ method, path, headers = {}, body }: HttpRequest): Promise<HttpResponse> {
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
        // The server may close an idle connection at the moment at which it is reused.
        if (sent.reusedSocket && error.code === 'ECONNRESET') {
          resolve(this.send({ method, path, headers, body }));
        } else reject(error);
      });
      sent.end(body);
    });
  }

  /** Sends all requests. @returns what is wrong with their responses, one line each, up to ten of them after their number */
  async violations(requests: HttpRequest[], check = violationOf): Promise<string[]> {
    const found: string[] = [];
    const rest = requests.values();
    const work = async () => {
      for (const sent of rest) {
        const violation = check(await this.send(sent));
        if (violation) found.push(`${violation.slice(0, 300)} << ${JSON.stringify(sent).slice(0, 300)}`);
      }
    };
    await Promise.all(Array.from({ length: CONCURRENCY }, work));
    return found.length > 10 ? [`${found.length} of ${requests.length}`, ...found.slice(0, 10)] : found;
  }

  close(): void {
    this.agent.destroy();
  }
}

/** Checks the rules that every response must satisfy. @returns the violation, or null */
export function violationOf({ status, headers, text }: HttpResponse): string | null {
  const type = headers['content-type'] ?? '';
  if (status >= 500) return `${status} ${text}`;
  if (headers['x-content-type-options'] !== 'nosniff') return `${status} without nosniff`;
  if (headers['x-injected'] !== undefined || text.includes('\r\nX-Injected')) return 'a header was injected';
  if (Object.keys(headers).some((name) => name.startsWith('access-control-'))) return 'it has CORS headers';
  if (headers['x-powered-by'] ?? headers.server) return 'it names its platform';
  if (status >= 400 && type !== 'application/problem+json; charset=utf-8') return `${status} as ${type}`;
  if (status >= 400 && JSON.parse(text).status !== status) return 'the problem has another status';
  const secret = SECRETS.exec(text);
  return status >= 400 && secret ? `it reveals "${secret[0]}": ${text}` : null;
}
