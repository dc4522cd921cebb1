import { Command } from 'commander';
import type { Application } from './application.js';
import { cashflowExposeCommand } from './cashflow-expose.js';
import { cashflowMakeCommand } from './cashflow-make.js';
import { cashflowVerifyCommand } from './cashflow-verify.js';

/** `cashflow`: makes bank transactions of companies, serves them as a bank would, and checks what was computed from them. */
export function cashflowCommand(app: Application): Command {
  return new Command('cashflow')
    .description('bank transactions of companies')
    .addCommand(cashflowMakeCommand())
    .addCommand(cashflowExposeCommand())
    .addCommand(cashflowVerifyCommand(app));
}
