import { join } from 'node:path';

/**
 * The built command line, to be run as a process of its own: exit codes and pipes are what its users see. It is the one of
 * the bundle that `global-setup.mjs` makes; the tests of the demo run the other one.
 */
export const CLI = join(import.meta.dirname, '../../dist/bundled/cli.js');

/**
 * What commands and servers of a test find in their environment: nothing of the run's own, which may name a server or a
 * Redis, but how to start fast.
 */
export function commandEnvironment(): Record<string, string> {
  const { PATH = '', HOME = '', NODE_COMPILE_CACHE = '' } = process.env;
  return { PATH, HOME, NODE_COMPILE_CACHE };
}
