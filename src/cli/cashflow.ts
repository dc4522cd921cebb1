import { Command } from 'commander';
import { cashflowMakeCommand } from './cashflow-make.js';

/** `cashflow`: makes bank transactions of companies. */
export function cashflowCommand(): Command {
  return new Command('cashflow').description('bank transactions of companies').addCommand(cashflowMakeCommand());
}
