import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** The instructions for the callers, as JSON on standard input. They print a {@link CallerReport} as JSON. */
export interface CallerOrder {
  url: string;
  callers: number;
  seconds: number;
  accounts: string[];
  /** Whether every request uses the first account. */
  hot: boolean;
  /** The kinds of postings, sent in turn. */
  kinds: ('deposit' | 'withdraw' | 'transfer')[];
}

/** The results of one run. */
export interface CallerReport {
  answered: number;
  perSecond: number;
  p50: number;
  p95: number;
  /** The number of answers by status; `lost`: the connection was closed. */
  statuses: Record<string, number>;
}

/**
 * One connection that sends a request, waits for the answer, and sends the next. The parser expects one answer at a
 * time.
 */
class Caller {
  private text = '';
  private answered: ((status: string) => void) | undefined;

  private constructor(private readonly socket: Socket) {
    socket.setNoDelay(true).setEncoding('latin1');
    socket.on('data', (part: string) => this.take(part));
    socket.on('error', () => this.answered?.('lost'));
    socket.on('close', () => this.answered?.('lost'));
  }

  static async connect({ hostname, port }: URL): Promise<Caller> {
    const socket = connect(Number(port), hostname);
    await once(socket, 'connect');
    return new Caller(socket);
  }

  ask(request: string): Promise<string> {
    return new Promise((resolve) => {
      this.answered = resolve;
      this.socket.write(request);
    });
  }

  close(): void {
    this.socket.destroy();
  }

  private take(part: string): void {
    this.text += part;
    const end = this.text.indexOf('\r\n\r\n');
    if (end < 0) return;
    const length = Number(/\r\nContent-Length: (\d+)/i.exec(this.text)?.[1]);
    if (this.text.length < end + 4 + length) return;
    const status = this.text.slice(9, 12);
    this.text = '';
    this.answered?.(status);
  }
}

function requestOf({ url, accounts, hot, kinds }: CallerOrder, turn: number): string {
  const kind = kinds[turn % kinds.length] ?? 'deposit';
  const pick = (): string => accounts[Math.floor(Math.random() * accounts.length)] ?? '';
  const host = new URL(url).host;
  const from = hot ? (accounts[0] ?? '') : pick();
  if (kind !== 'transfer') {
    return `POST /api/accounts/${from}/${kind}?sum=1 HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 0\r\n\r\n`;
  }
  const to = other(from, pick);
  const body = JSON.stringify({ from, to, sum: 1 });
  return `POST /api/transfers HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
}

function other(from: string, pick: () => string): string {
  for (;;) {
    const to = pick();
    if (to !== from) return to;
  }
}

async function call(order: CallerOrder): Promise<CallerReport> {
  const latencies: number[] = [];
  const statuses: Record<string, number> = {};
  const callers = await Promise.all(Array.from({ length: order.callers }, () => Caller.connect(new URL(order.url))));
  const start = performance.now();
  const end = start + order.seconds * 1000;
  let turn = 0;
  const work = async (caller: Caller) => {
    while (performance.now() < end) {
      const asked = performance.now();
      const status = await caller.ask(requestOf(order, turn++));
      latencies.push(performance.now() - asked);
      statuses[status] = (statuses[status] ?? 0) + 1;
      if (status === 'lost') return;
    }
  };
  await Promise.all(callers.map(work));
  const seconds = (performance.now() - start) / 1000;
  for (const caller of callers) caller.close();
  const sorted = latencies.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.floor(sorted.length * share)] ?? Number.NaN;
  return { answered: sorted.length, perSecond: sorted.length / seconds, p50: at(0.5), p95: at(0.95), statuses };
}

let text = '';
for await (const part of process.stdin.setEncoding('utf8')) text += String(part);
console.log(JSON.stringify(await call(JSON.parse(text) as CallerOrder)));
