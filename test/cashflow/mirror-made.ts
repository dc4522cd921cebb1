import type { TestServer } from '../setup/test-server.js';
import { readCompanies, readRates, readTransactions, type Row } from './made-data.js';

/** A made transaction as a record of our resources. */
export function toRecord(row: Row): Record<string, unknown> {
  return {
    transactionId: row.id,
    payerIban: row.payer,
    beneficiaryIban: row.beneficiary,
    amount: row.amount,
    currency: row.currency,
    timestamp: row.timestamp,
  };
}

/** Made companies as records of our resource. */
export function companyRecords(folder: string): Record<string, unknown>[] {
  return readCompanies(folder).map(({ id, balance, ...rest }) => ({
    ...rest,
    externalId: id,
    statedBalance: balance,
  }));
}

export async function mirrorRates(server: TestServer, folder: string): Promise<void> {
  const rates = [...readRates(folder)].map(([currency, { eur, usd }]) => ({ currency, eurRate: eur, usdRate: usd }));
  await mirrorAll(server, '/exchange-rates', rates);
}

/** Sends the transactions of a kind, a calendar month at a time. */
export async function mirrorTransactions(server: TestServer, folder: string, kind: 'sepa' | 'swift'): Promise<void> {
  const months = Map.groupBy(readTransactions(folder, kind), ({ timestamp }) => timestamp.slice(0, 7));
  for (const [month, rows] of months) await mirrorMonth(server, kind, month, rows);
}

export async function mirrorMonth(
  server: TestServer,
  kind: 'sepa' | 'swift',
  month: string,
  rows: Row[],
): Promise<void> {
  // Months are replaced by others on purpose.
  await mirrorAll(
    server,
    `/${kind}?mode=window&deletes=apply&from=${month}-01&to=${nextMonth(month)}-01`,
    rows.map(toRecord),
  );
}

/** Mirrors records of which none may be rejected. */
export async function mirrorAll(server: TestServer, path: string, records: Record<string, unknown>[]): Promise<void> {
  const job = await server.mirror(path, records);
  if (job.status !== 'completed' || job.counts.rejected > 0) throw new Error(`not mirrored: ${JSON.stringify(job)}`);
}

export function nextMonth(month: string): string {
  const [year, number] = month.split('-').map(Number) as [number, number];
  return number === 12 ? `${year + 1}-01` : `${year}-${String(number + 1).padStart(2, '0')}`;
}
