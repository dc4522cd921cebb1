import { isOutage } from '../database/outage.js';
import { safeError } from '../logging/safe-error.js';
import { EXIT_UNCLOSED, type StopRequest } from './stop-request.js';

/** Pino's number of the level `fatal`, for lines that must come out even before there is a logger. */
const FATAL = 60;

/**
 * Decides about errors that no code handles. Node would print them with their messages, and a driver's may quote a row.
 *
 * A rejected promise that nobody handles is a bug, and what waits for it may wait for ever. So the process stops as on
 * SIGTERM, which gives its jobs back, and exits with 1 for whatever restarts it. Only an outage of PostgreSQL or Redis
 * is not worth a restart: the process outlives those, and code that uses the service notices by itself.
 *
 * An exception that nobody caught may have left anything half done, so the process ends at once. That loses nothing:
 * every step is a transaction, and jobs without heartbeats are taken over.
 */
export function handleUnhandledErrors(stop: StopRequest): void {
  process.on('unhandledRejection', (error) => {
    if (isOutage(error)) {
      report(error, 'a promise was rejected by an outage, and nobody handled it');
      return;
    }
    report(error, 'a promise was rejected, and nobody handled it: the process stops');
    process.exitCode = EXIT_UNCLOSED;
    stop.make();
  });
  process.on('uncaughtException', (error) => {
    report(error, 'an exception was not caught: the process ends');
    process.exit(EXIT_UNCLOSED);
  });
}

function report(error: unknown, msg: string): void {
  console.error(JSON.stringify({ level: FATAL, time: Date.now(), err: safeError(error), msg }));
}
