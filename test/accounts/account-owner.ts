import { randomUUID } from 'node:crypto';
import { Sender } from '../http/sender.js';
import type { TestServer } from '../setup/test-server.js';

/** The status and the body of an answer. */
export interface Answer {
  status: number;
  body: any;
}

/** A source that uses accounts. Two owners may share a source, to use it through different servers. */
export class AccountOwner {
  private readonly from: Sender;

  constructor(server: TestServer, source?: string) {
    this.from = new Sender(server, source);
  }

  get source(): string {
    return this.from.source;
  }

  async open(overdraftLimit = 0): Promise<string> {
    const { body } = await this.ask('POST', '/api/accounts/create', { overdraftLimit });
    return body.account_number;
  }

  openMany(count: number, overdraftLimit = 0): Promise<string[]> {
    return Promise.all(Array.from({ length: count }, () => this.open(overdraftLimit)));
  }

  deposit(account: string, sum: number | string, key?: string): Promise<Answer> {
    return this.ask('POST', `/api/accounts/${account}/deposit?sum=${sum}`, undefined, key);
  }

  withdraw(account: string, sum: number | string, key?: string): Promise<Answer> {
    return this.ask('PUT', `/api/accounts/${account}/withdraw?sum=${sum}`, undefined, key);
  }

  transfer(from: string, to: string, sum: number, key?: string): Promise<Answer> {
    return this.ask('POST', '/api/transfers', { from, to, sum }, key);
  }

  async balance(account: string, asOf?: string): Promise<number> {
    const query = asOf === undefined ? '' : `?asOf=${encodeURIComponent(asOf)}`;
    return (await this.from.get(`/api/accounts/${account}/balance${query}`)).balance;
  }

  entries(account: string, query = ''): Promise<any> {
    return this.from.get(`/api/accounts/${account}/entries${query}`);
  }

  ask(method: string, path: string, body?: unknown, key?: string): Promise<Answer> {
    return this.send(method, path, body === undefined ? undefined : JSON.stringify(body), key);
  }

  /** As `ask`, but with the body as text, for JSON that `JSON.stringify` would not write. */
  async send(method: string, path: string, body?: string, key?: string): Promise<Answer> {
    const response = await this.from.fetch(path, {
      method,
      headers: {
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
        ...(key === undefined ? {} : { 'Idempotency-Key': key }),
      },
      ...(body === undefined ? {} : { body }),
    });
    return { status: response.status, body: await response.json() };
  }
}

export const newKey = (): string => randomUUID();
