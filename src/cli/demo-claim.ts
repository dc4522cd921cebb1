import { setTimeout as delay } from 'node:timers/promises';
import type { ApiClient } from './api-client.js';
import type { Narrator } from './demo-narrator.js';
import { inMemory, readSample } from './samples.js';
import { renderTable } from './tables.js';

interface Claim {
  id: string;
  netFee: string;
  lines: { line: number; providerNpi: string; netFee: string }[];
  payment: { status: string };
}

const SAMPLE = 'claim-day2.json';

/** The external id of the demo's claim. Sent again, it is the same claim. */
export const DEMO_CLAIM = 'C-2071';

/** The longest wait for the payment: longer than a running payments service ever takes. */
const SETTLING_TIMEOUT_MS = 10_000;

const LINES = [{ heading: 'line', isNumeric: true }, { heading: 'provider' }, { heading: 'net fee', isNumeric: true }];

const PROVIDERS = [
  { heading: 'provider' },
  { heading: 'net fee', isNumeric: true },
  { heading: 'claims', isNumeric: true },
];

/** A chapter of the demo: a claim, its net fee, its payment, and the ranking of providers. */
export async function showClaim(narrator: Narrator): Promise<void> {
  const { api, terminal } = narrator;
  narrator.title('A claim');
  narrator.say('A dentist sends a claim of two lines. Its fees are added up to the cent.');
  narrator.curl(`-H 'Content-Type: application/json' --data-binary @samples/${SAMPLE}`, '/claims');
  const file = inMemory(await readSample(SAMPLE));
  const claim = await api.upload<Claim>('/claims', file.read(), file.headers);
  const lines = claim.lines.map(({ line, providerNpi, netFee }) => [line, providerNpi, netFee]);
  terminal.line(renderTable(terminal, LINES, [...lines, ['all', '', claim.netFee]]));

  narrator.say('The payments service is notified through a queue, and settles the claim exactly once.');
  narrator.curl('', `/claims/${claim.id}`);
  const status = await settled(api, claim);
  terminal.line(`    payment ${terminal.style(status === 'settled' ? 'green' : 'yellow', status)}`);

  narrator.say('Which providers have the largest net fees?');
  narrator.curl('', '/providers/top?limit=3');
  const { items } = await api.get<{ items: { providerNpi: string; netFee: string; claims: number }[] }>(
    '/providers/top?limit=3',
  );
  const rows = items.map(({ providerNpi, netFee, claims }) => [providerNpi, netFee, claims]);
  terminal.line(renderTable(terminal, PROVIDERS, rows));
}

/** Waits until the payment is settled or has failed, or for the timeout. @returns its status then */
async function settled(api: ApiClient, claim: Claim): Promise<string> {
  for (const deadline = Date.now() + SETTLING_TIMEOUT_MS; ; await delay(100)) {
    const { status } = (await api.get<Claim>(`/claims/${claim.id}`)).payment;
    if (status === 'settled' || status === 'failed' || Date.now() > deadline) return status;
  }
}
