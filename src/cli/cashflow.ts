import { Command } from 'commander';
import { cashflowExposeCommand } from './cashflow-expose.js';
import { cashflowMakeCommand } from './cashflow-make.js';

/** `cashflow`: makes bank transactions of companies, and serves them as a bank would. */
export function cashflowCommand(): Command {
  return new Command('cashflow')
    .description('bank transactions of companies')
    .addCommand(cashflowMakeCommand())
    .addCommand(cashflowExposeCommand());
}
