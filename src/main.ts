import 'reflect-metadata';
import { ConfigError, loadConfig } from './platform/config.js';
import { startServer } from './server.js';

try {
  const config = loadConfig();
  const server = await startServer(config);
  console.log(`listening on ${server.url}`);
  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    process.once(signal, () => void stop(() => server.close(), config.SHUTDOWN_TIMEOUT_SECONDS));
} catch (error) {
  // The operator's own settings and machine: the message is for them, a stack is not.
  console.error(error instanceof Error ? error.message : error);
  if (!(error instanceof ConfigError) && process.env['LOG_LEVEL'] === 'debug') console.error(error);
  process.exit(1);
}

/** Whatever has not come to its end by then is left to roll back; the job's silence tells the others to take it up. */
async function stop(close: () => Promise<void>, timeoutSeconds: number): Promise<void> {
  setTimeout(() => process.exit(0), timeoutSeconds * 1000).unref();
  await close().catch(() => undefined);
  process.exit(0);
}
