import type { Row } from './made-data.js';

// Readers of the three dialects, as they would be written by somebody who knows nothing but their descriptions.

/** Answers are complete, or fail. A server that says nothing for this long has ended. */
const SILENCE_MS = 4_000;

export async function get(url: string, timeoutMs = 20_000): Promise<string> {
  const response = await fetch(url, { signal: AbortSignal.timeout(timeoutMs) });
  const body = await response.text();
  if (response.status !== 200) throw new Error(`${response.status} ${body}`);
  return body;
}

export interface OwnWindow {
  from: string;
  to: string;
  transactions: {
    id: string;
    payer_iban: string;
    beneficiary_iban: string;
    amount: number;
    currency: string | null;
    timestamp: string;
  }[];
  nextCursor: string | null;
}

export const ownRows = (window: OwnWindow): Row[] =>
  window.transactions.map(({ id, payer_iban: payer, beneficiary_iban: beneficiary, amount, currency, timestamp }) => ({
    id,
    payer,
    beneficiary,
    amount: String(amount),
    currency,
    timestamp,
  }));

/** Polls until the end. */
export async function pollOwn(url: string): Promise<OwnWindow[]> {
  const windows: OwnWindow[] = [];
  do windows.push(JSON.parse(await get(url)));
  while (windows.at(-1)?.nextCursor !== null);
  return windows;
}

/** Takes documents that follow each other apart, and reads the one value of each, which is JSON in a text. */
export function unglue(text: string): { name: string; rows: Record<string, any>[] }[] {
  return text
    .split(/(?<=\})(?=\{"(?:sepa_transactions|swift_transactions|company_info)":)/)
    .map((document) => Object.entries(JSON.parse(document) as Record<string, string>))
    .map((entries) => {
      const [[name, rows]] = entries as [[string, string]];
      return { name, rows: JSON.parse(rows) };
    });
}

/** Polls until the server falls silent. @returns the rows of each answer, and how many documents there were */
export async function pollGlued(url: string): Promise<{ rows: Row[]; answers: number; documents: number }> {
  const rows: Row[] = [];
  let [answers, documents] = [0, 0];
  for (; ; answers++) {
    const text = await get(url, SILENCE_MS).catch((error: Error) => error);
    if (text instanceof Error) {
      if (text.name !== 'TimeoutError') throw text;
      return { rows, answers, documents };
    }
    for (const document of unglue(text)) {
      documents++;
      for (const { id, sender, beneficiary, amount, currency, time } of document.rows) {
        const timestamp = time.length === 10 ? `${time}T00:00:00.000000Z` : time;
        rows.push({ id, payer: sender, beneficiary, amount: String(amount.Float), currency, timestamp });
      }
    }
  }
}

/** Reads page after page. */
export async function readPages(
  url: string,
  limit: number,
  sides: [payer: string, beneficiary: string],
): Promise<Row[][]> {
  const pages: Row[][] = [];
  let after = '';
  for (;;) {
    const items: Record<string, any>[] = JSON.parse(await get(`${url}?limit=${limit}${after}`));
    const last = items.at(-1);
    if (!last) return pages;
    pages.push(
      items.map((item) => ({
        id: item['uuid'],
        payer: item[sides[0]],
        beneficiary: item[sides[1]],
        amount: String(item['amount']),
        currency: item['currency'],
        timestamp: item['timestamp'].replace('+00:00', 'Z'),
      })),
    );
    // Not escaped, as such readers do it.
    after = `&after-timestamp=${last['timestamp']}&after-uuid=${last['uuid']}`;
  }
}
