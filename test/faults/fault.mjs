// Loaded before the server (`node --import`): ends or pauses the process where the environment says.
//
//   FAULT_FROM       the step from which on statements are counted, of what begins there alone and not of what goes on
//                    beside it; without it, all of them from SIGUSR2 on
//   FAULT_STATEMENT  N: dies in place of the N-th statement that the application sends to PostgreSQL
//   FAULT_TRACE      a file that gets a line for each counted statement: begin, commit, transaction (one of its own), other
//   FAULT_DIE_AT     dies at this step        (all steps: src/runtime/steps.ts)
//   FAULT_PAUSE_AT   stops at this step, once, until SIGCONT
import { AsyncLocalStorage } from 'node:async_hooks';
import { subscribe } from 'node:diagnostics_channel';
import { appendFileSync } from 'node:fs';
import pg from 'pg';

const { FAULT_FROM, FAULT_STATEMENT, FAULT_TRACE, FAULT_DIE_AT, FAULT_PAUSE_AT } = process.env;
const counted = new AsyncLocalStorage();
let isCounting = false;
let statements = 0;
let hasPaused = false;

process.on('SIGUSR2', () => (isCounting = true));

subscribe('counterpart:step', (step) => {
  if (step === FAULT_FROM) counted.enterWith(true);
  if (step === FAULT_DIE_AT) die();
  if (step === FAULT_PAUSE_AT && !hasPaused) {
    hasPaused = true;
    process.kill(process.pid, 'SIGSTOP');
  }
});

const query = pg.Client.prototype.query;
pg.Client.prototype.query = function (...args) {
  const isOurs = /^counterpart [0-9a-f]{8}-/.test(this.connectionParameters.application_name ?? '');
  if ((isCounting || counted.getStore()) && isOurs) count(args[0]);
  return query.apply(this, args);
};

function count(statement) {
  statements += 1;
  if (statements === Number(FAULT_STATEMENT)) die();
  if (FAULT_TRACE) appendFileSync(FAULT_TRACE, `${kindOf(String(statement?.text ?? statement))}\n`);
}

function kindOf(sql) {
  if (sql.startsWith('begin')) return sql.endsWith('commit') ? 'transaction' : 'begin';
  return sql.startsWith('commit') ? 'commit' : 'other';
}

function die() {
  process.kill(process.pid, 'SIGKILL');
}
