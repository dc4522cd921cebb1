import { Command } from 'commander';
import type { Application } from './application.js';
import { EXIT } from './exit-codes.js';
import { Failure } from './failure.js';
import { type Session, talkToServer } from './run-command.js';
import { renderTable } from './tables.js';

/** The state of a claim's payment, as the server sends it. */
interface PaymentJson {
  claimId: string;
  status: string;
  attempts: number;
  reason: string | null;
  updated: string;
}

type Counts = Record<'pending' | 'notified' | 'settled' | 'failed', number>;

interface RetryOptions {
  failed?: boolean;
}

const STATES = [{ heading: 'state' }, { heading: 'claims', isNumeric: true }];

const FAILED = [
  { heading: 'claim' },
  { heading: 'attempts', isNumeric: true },
  { heading: 'reason' },
  { heading: 'at' },
];

/** Failed payments that are shown. `GET /claim-payments/notifications?status=failed` lists all of them. */
const MAX_SHOWN = 20;

/** Adds to `claims` the commands `payments`, which shows the state of payments, and `retry`. */
export function withPaymentCommands(app: Application, claims: Command): Command {
  const payments = new Command('payments').description(
    'show how many claims are settled, on their way, or have failed',
  );
  const retry = new Command('retry')
    .description('retry the payment of a claim')
    .argument('[id]', 'the claim')
    .option('--failed', 'retry all failed payments instead');
  return claims
    .addCommand(talkToServer<object>(app, payments, showPayments))
    .addCommand(talkToServer<RetryOptions>(app, retry, retryPayments));
}

async function showPayments({ api, terminal, options }: Session<object>): Promise<number> {
  const counts = await api.get<Counts>('/claim-payments/states');
  const { items: failed } = await api.get<{ items: PaymentJson[] }>(
    `/claim-payments/notifications?status=failed&limit=${MAX_SHOWN}`,
  );
  if (options.json) {
    terminal.json({ ...counts, lastFailed: failed });
    return EXIT.ok;
  }
  terminal.line(renderTable(terminal, STATES, Object.entries(counts)));
  if (failed.length > 0) {
    const rows = failed.map(({ claimId, attempts, reason, updated }) => [
      claimId,
      attempts,
      reason ?? '',
      updated.replace('T', ' ').slice(0, 19),
    ]);
    terminal.line(`\n${renderTable(terminal, FAILED, rows)}`);
    if (counts.failed > failed.length) terminal.line(`  … and ${counts.failed - failed.length} more`);
  }
  return EXIT.ok;
}

async function retryPayments(session: Session<RetryOptions>, id?: string): Promise<number> {
  const { api, terminal, options } = session;
  if ((id === undefined) === (options.failed !== true)) throw new Failure('Name a claim, or use --failed for all.');
  if (id === undefined) return retryFailed(session);
  const state = await api.post<PaymentJson>(`/claims/${encodeURIComponent(id)}/payment/retry`);
  if (options.json) terminal.json(state);
  else terminal.line(`${terminal.style('green', '✓')} Retrying the payment of ${state.claimId}.`);
  return EXIT.ok;
}

/** Retries as many payments as have failed at the start: further ones may be those that were retried and failed again. */
async function retryFailed({ api, terminal, options }: Session<RetryOptions>): Promise<number> {
  const { failed } = await api.get<Counts>('/claim-payments/states');
  let retried = 0;
  while (retried < failed) {
    const page = await api.post<{ retried: number }>('/claim-payments/retry');
    if (page.retried === 0) break;
    retried += page.retried;
  }
  if (options.json) terminal.json({ retried });
  else {
    const claims = retried === 1 ? '1 claim' : `${retried} claims`;
    terminal.line(`${terminal.style('green', '✓')} Retrying the payment of ${claims}.`);
  }
  return EXIT.ok;
}
