import { randomBytes } from 'node:crypto';
import type { TestServer } from '../setup/test-server.js';

/** A line that satisfies all rules, including the strict ones. */
export function aLine(fields: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    service_date: '6/4/26 9:30',
    submitted_procedure: 'D2740',
    quadrant: 'UR',
    plan_group_number: 'GRP-7',
    subscriber_number: '4400990011',
    provider_npi: '1234567893',
    provider_fees: '$100.00',
    allowed_fees: '$60.00',
    member_coinsurance: '$10.00',
    member_copay: '$5.00',
    ...fields,
  };
}

/** A sender of claims, with a source of its own on a server that other tests share. */
export class Biller {
  readonly source = `biller-${randomBytes(5).toString('hex')}`;

  constructor(readonly server: TestServer) {}

  fetch(path: string, init: RequestInit = {}): Promise<Response> {
    return this.server.fetch(path, { ...init, headers: { 'X-Source': this.source, ...init.headers } });
  }

  async get(path: string): Promise<any> {
    return (await this.fetch(path)).json();
  }

  post(body: unknown, headers: Record<string, string> = {}): Promise<Response> {
    const text = typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body);
    const type = { 'Content-Type': 'application/json' };
    return this.fetch('/claims', { method: 'POST', body: text as string, headers: { ...type, ...headers } });
  }

  postCsv(table: string): Promise<Response> {
    return this.post(table, { 'Content-Type': 'text/csv' });
  }

  /** Sends a claim that must be accepted. */
  async submit(body: unknown, headers: Record<string, string> = {}): Promise<any> {
    const response = await this.post(body, headers);
    const answer: any = await response.json();
    if (response.status !== 200) throw new Error(`not accepted: ${JSON.stringify(answer)}`);
    return answer;
  }

  /** Sends a claim that must be refused. @returns each fault as `pointer code` */
  async faultsOf(body: unknown, headers: Record<string, string> = {}): Promise<string[]> {
    const response = await this.post(body, headers);
    const { errors = [], status }: any = await response.json();
    if (response.status !== 422 || status !== 422) throw new Error(`answered ${response.status}`);
    return errors.map(({ pointer, code }: { pointer: string; code: string }) => `${pointer} ${code}`);
  }

  async top(limit = 1000): Promise<any[]> {
    return (await this.get(`/providers/top?limit=${limit}`)).items;
  }
}
