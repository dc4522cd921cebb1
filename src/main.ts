import 'reflect-metadata';
import { EXIT_UNCLOSED, StopRequest } from './runtime/stop-request.js';
import { handleUnhandledErrors } from './runtime/unhandled-errors.js';

// Before the rest is loaded, which takes a second: signals and errors of that time are handled too.
const stop = StopRequest.listen();
handleUnhandledErrors(stop);
const { ConfigError, loadConfig } = await import('./settings/config.js');

try {
  const config = loadConfig();
  void exitAtLatest(config.SHUTDOWN_TIMEOUT_SECONDS);
  const { startServer } = await import('./server.js');
  const server = await startServer(config, { stopping: stop.signal });
  console.log(`listening on ${server.url}`);
  await stop.made();
  await server.close();
} catch (error) {
  // A start that was given up has closed what it had started.
  if (error !== stop.signal.reason) {
    // The cause is usually a setting or the machine, for which the operator needs the message, not a stack.
    console.error(error instanceof Error ? error.message : error);
    if (!(error instanceof ConfigError) && process.env['LOG_LEVEL'] === 'debug') console.error(error);
    process.exitCode = EXIT_UNCLOSED;
  }
}
process.exit();

/** What has not finished after the timeout is rolled back; other workers take its jobs once their heartbeats are missing. */
async function exitAtLatest(timeoutSeconds: number): Promise<void> {
  await stop.made();
  setTimeout(() => process.exit(EXIT_UNCLOSED), timeoutSeconds * 1000).unref();
}
