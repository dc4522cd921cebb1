import { Command } from 'commander';
import type { Application } from './application.js';
import { EXIT } from './exit-codes.js';
import { Failure } from './failure.js';
import { type Session, talkToServer } from './run-command.js';
import { renderTable } from './tables.js';

/** How far the payments service has been told of a claim, as the server tells it. */
interface PaymentState {
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

/** What is shown of those that have failed; all of them are in `GET /claim-payments/notifications?status=failed`. */
const MAX_SHOWN = 20;

/** Adds to `claims` what there is to say to and of the payments service. */
export function withPaymentCommands(app: Application, claims: Command): Command {
  const payments = new Command('payments').description('how many claims are settled, on their way, or have failed');
  const retry = new Command('retry')
    .description('tell the payments service of a claim again')
    .argument('[id]', 'the claim')
    .option('--failed', 'of all that have failed instead');
  return claims
    .addCommand(talkToServer<object>(app, payments, showPayments))
    .addCommand(talkToServer<RetryOptions>(app, retry, retryPayments));
}

async function showPayments({ api, terminal, options }: Session<object>): Promise<number> {
  const counts = await api.get<Counts>('/claim-payments/states');
  const { items: failed } = await api.get<{ items: PaymentState[] }>(
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
  if ((id === undefined) === (options.failed !== true)) throw new Failure('Name a claim, or take --failed for all.');
  if (id === undefined) return retryFailed(session);
  const state = await api.post<PaymentState>(`/claims/${encodeURIComponent(id)}/payment/retry`);
  if (options.json) terminal.json(state);
  else terminal.line(`${terminal.style('green', '✓')} The payments service is told of ${state.claimId} again.`);
  return EXIT.ok;
}

/** As many as have failed when it begins, a request's worth at a time: those that fail again meanwhile are left alone. */
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
    terminal.line(`${terminal.style('green', '✓')} The payments service is told of ${claims} again.`);
  }
  return EXIT.ok;
}
