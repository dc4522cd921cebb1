import 'reflect-metadata';
import { ConfigError, loadConfig } from './platform/config.js';
import { startServer } from './server.js';

/** Whatever hangs on the way out is left behind after that: within the 20 s that orchestrators give. */
const HARD_EXIT_MS = 19_000;

try {
  const config = loadConfig();
  const server = await startServer(config);
  console.log(`listening on ${server.url}`);
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void stop(() => server.close()));
} catch (error) {
  // The operator's own settings and machine: the message is for them, a stack is not.
  console.error(error instanceof Error ? error.message : error);
  if (!(error instanceof ConfigError) && process.env['LOG_LEVEL'] === 'debug') console.error(error);
  process.exit(1);
}

async function stop(close: () => Promise<void>): Promise<void> {
  setTimeout(() => process.exit(0), HARD_EXIT_MS).unref();
  await close().catch(() => undefined);
  process.exit(0);
}
