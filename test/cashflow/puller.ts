import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Exposer, type ExposeOptions } from '../../src/cashflow/exposer/exposer.js';
import type { Fault } from '../../src/cashflow/exposer/faults.js';
import type { PullView } from '../../src/cashflow/pull/pull-view.js';
import { makeInto, readCompanies, readRates, readTransactions, type Row } from './made-data.js';

/** A pull as JSON: its instants are text. */
export type Pull = Omit<PullView, 'nextAt' | 'submittedAt' | 'startedAt' | 'finishedAt'> &
  Record<'nextAt' | 'submittedAt' | 'startedAt' | 'finishedAt', string | null>;

/** Where pulls are asked for: a server in this process or in another one. */
export interface Puller {
  readonly url: string;
}

/** Limits that make tests of faults short. */
export const QUICK = { PULL_TIMEOUT_SECONDS: 1, PULL_RETRY_MS: 20 } as const;

export const RAILS = ['sepa', 'swift'] as const;

/** Made data, and the exposers that serve them. */
export class Bank {
  readonly folder = mkdtempSync(join(tmpdir(), 'counterpart-pull-'));
  readonly failures: Error[] = [];
  private readonly running: Exposer[] = [];

  static async open(amounts = { companies: 20, sepa: 600, swift: 1_500 }, seed = 7): Promise<Bank> {
    const bank = new Bank();
    await makeInto(bank.folder, seed, { amounts });
    return bank;
  }

  /** @returns the address */
  async expose(
    dialect: ExposeOptions['dialect'],
    faults: Fault[] | (() => Fault | null) = [],
    port = 0,
  ): Promise<string> {
    const nextFault = typeof faults === 'function' ? faults : () => faults.shift() ?? null;
    const onFailure = (error: Error) => this.failures.push(error);
    const exposer = await Exposer.start({
      folder: this.folder,
      dialect,
      host: '127.0.0.1',
      port,
      nextFault,
      onFailure,
    });
    this.running.push(exposer);
    return exposer.url;
  }

  async stopAll(): Promise<void> {
    await Promise.all(this.running.splice(0).map((exposer) => exposer.close()));
  }

  async close(): Promise<void> {
    await this.stopAll();
    rmSync(this.folder, { recursive: true });
  }

  /** The rows of a kind, in the form of {@link rowsOf}. */
  rows(rail: 'sepa' | 'swift', isReceived: (row: Row) => boolean = () => true): string[] {
    return readTransactions(this.folder, rail)
      .filter((row) => isReceived(row))
      .map(({ id, payer, beneficiary, amount, currency, timestamp }) =>
        [id, payer, beneficiary, Number(amount), currency ?? '', timestamp.slice(0, -1)].join(),
      )
      .toSorted();
  }

  companies(): string[] {
    return readCompanies(this.folder)
      .map(({ id, name, ibans }) => JSON.stringify([id, name, ibans]))
      .toSorted();
  }

  currencies(): string[] {
    return [...readRates(this.folder).keys()].toSorted();
  }
}

/** How a request was answered. */
interface Answered {
  status: number;
  body: any;
  headers: Headers;
}

/** Sends requests of a source. */
export function asking({ url }: Puller, source = 'default') {
  return async (path: string, init: RequestInit = {}): Promise<Answered> => {
    const headers = { 'Content-Type': 'application/json', 'X-Source': source, ...init.headers };
    const response = await fetch(new URL(path, url), { ...init, headers });
    const text = await response.text();
    return { status: response.status, body: text === '' ? null : JSON.parse(text), headers: response.headers };
  };
}

/** Begins a pull. Fails unless it was accepted. */
export async function beginPull(puller: Puller, baseUrl: string, options: object = {}, source?: string): Promise<Pull> {
  const { status, body } = await asking(puller, source)('/cashflow/pulls', {
    method: 'POST',
    body: JSON.stringify({ baseUrl, ...options }),
  });
  if (status !== 202) throw new Error(`not accepted: ${status} ${JSON.stringify(body)}`);
  return body;
}

/** Waits until a pull rests. */
export async function endOf(puller: Puller, id: string, source?: string, timeoutMs = 220_000): Promise<Pull> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const { body } = await asking(puller, source)(`/cashflow/pulls/${id}`, { headers: { Prefer: 'wait=5' } });
    if (['completed', 'failed', 'cancelled', 'awaiting_approval'].includes(body.status)) return body;
    if (Date.now() > deadline) throw new Error(`in vain: waited for the end of ${JSON.stringify(body)}`);
  }
}

export async function pull(puller: Puller, baseUrl: string, options: object = {}, source?: string): Promise<Pull> {
  const { id } = await beginPull(puller, baseUrl, options, source);
  return endOf(puller, id, source);
}

/** All live records of a resource. */
export async function recordsOf(puller: Puller, resource: string, source?: string): Promise<Record<string, any>[]> {
  const records: Record<string, any>[] = [];
  let cursor = '';
  do {
    const { body } = await asking(puller, source)(`/${resource}?limit=1000${cursor}`);
    records.push(...body.items);
    cursor = body.nextCursor === null ? '' : `&cursor=${encodeURIComponent(body.nextCursor)}`;
  } while (cursor !== '');
  return records;
}

/** The mirrored transactions as texts, each as often as it was sent. */
export async function rowsOf(puller: Puller, rail: 'sepa' | 'swift', source?: string): Promise<string[]> {
  const records = await recordsOf(puller, rail, source);
  return records
    .flatMap(({ transactionId, payerIban, beneficiaryIban, amount, currency, timestamp, copies = 1 }) => {
      const time = `${timestamp.slice(0, 19)}.${timestamp.slice(20, -1).padEnd(6, '0')}`;
      const row = [transactionId, payerIban, beneficiaryIban, Number(amount), currency ?? '', time].join();
      return Array<string>(copies).fill(row);
    })
    .toSorted();
}

/** The balances at the ends of all quarters, as lines of `truth.csv`: `companyId,quarter,balanceEur,balanceUsd`. */
export async function closingsOf(server: Puller, source: string): Promise<string[]> {
  const [eur = [], usd = []] = await Promise.all(
    ['EUR', 'USD'].map(async (currency) => {
      const query = `interval=quarter&from=2018-01-01&to=2022-01-01&currency=${currency}`;
      const response = await fetch(`${server.url}/cashflow/balances?${query}`, { headers: { 'X-Source': source } });
      const lines = (await response.text()).trimEnd().split('\n');
      return lines.map((line) => JSON.parse(line) as { companyId: string; period: string; closing: string });
    }),
  );
  return eur
    .map(({ companyId, period, closing }, place) => [companyId, period, closing, usd[place]?.closing].join())
    .toSorted();
}
