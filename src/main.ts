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
  // The cause is usually a setting or the machine, for which the operator needs the message, not a stack.
  console.error(error instanceof Error ? error.message : error);
  if (!(error instanceof ConfigError) && process.env['LOG_LEVEL'] === 'debug') console.error(error);
  process.exit(1);
}

/** What has not finished after the timeout is rolled back; other workers take its jobs once their heartbeats are missing. */
async function stop(close: () => Promise<void>, timeoutSeconds: number): Promise<void> {
  setTimeout(() => process.exit(0), timeoutSeconds * 1000).unref();
  await close().catch(() => undefined);
  process.exit(0);
}
