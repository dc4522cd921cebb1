/**
 * What commands and servers of a test find in their environment: nothing of the run's own, which may name a server or a
 * Redis, but how to start fast.
 */
export function commandEnvironment(): Record<string, string> {
  const { PATH = '', HOME = '', NODE_COMPILE_CACHE = '' } = process.env;
  return { PATH, HOME, NODE_COMPILE_CACHE };
}
