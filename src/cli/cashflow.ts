import { Command } from 'commander';
import type { Application } from './application.js';
import { cashflowExposeCommand } from './cashflow-expose.js';
import { cashflowMakeCommand } from './cashflow-make.js';
import { cashflowPullCommand } from './cashflow-pull.js';
import { cashflowVerifyCommand } from './cashflow-verify.js';

/** `cashflow`: pulls bank transactions and checks what was computed from them; makes some, and serves them as a bank would. */
export function cashflowCommand(app: Application): Command {
  return new Command('cashflow')
    .description('bank transactions of companies')
    .addCommand(cashflowMakeCommand())
    .addCommand(cashflowExposeCommand())
    .addCommand(cashflowPullCommand(app))
    .addCommand(cashflowVerifyCommand(app));
}
