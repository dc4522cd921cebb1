import { isIP } from 'node:net';
import { z } from 'zod';

const count = (fallback: number, min = 1, max = Number.MAX_SAFE_INTEGER) =>
  z
    .string()
    .regex(/^\d+$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.number().min(min, `must be at least ${min}`).max(max, `must be at most ${max}`))
    .default(fallback);

const url = (...protocols: string[]) =>
  z
    .string()
    .refine((text) => protocols.some((protocol) => text.startsWith(`${protocol}://`)), {
      message: `must start with ${protocols.map((protocol) => `${protocol}://`).join(' or ')}`,
    })
    .optional();

/** Every setting, by the name of its environment variable. `.env.example` lists the same with their reasons. */
export const settings = z.object({
  NODE_ENV: z.enum(['development', 'test', 'production']).default('development'),
  PORT: count(3000, 0, 65_535),
  HOST: z
    .string()
    .refine((host) => host === 'localhost' || isIP(host) !== 0, 'must be an IP address or "localhost"')
    .default('127.0.0.1'),
  ROLE: z.enum(['all', 'api', 'worker']).default('all'),
  DATABASE_URL: url('postgresql', 'postgres'),
  DATABASE_POOL_SIZE: count(20, 4, 500),
  REDIS_URL: url('redis', 'rediss'),
  QUEUE_PREFIX: z
    .string()
    .regex(/^[a-z0-9_-]{1,40}$/, 'must be 1 to 40 of a-z, 0-9, _ and -')
    .default('counterpart'),
  DATA_DIR: z.string().min(1).default('.data'),
  LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'silent']).default('info'),
  MAX_BODY_BYTES: count(1024 ** 3),
  MAX_CONCURRENT_UPLOADS: count(8, 1, 1000),
  UPLOAD_TIMEOUT_SECONDS: count(3600),
  WORKER_CONCURRENCY: count(4, 1, 64),
  MAX_ATTEMPTS: count(5, 1, 100),
  SNAPSHOT_RETENTION_DAYS: count(30),
  DELETE_GUARD_ROWS: count(50, 0),
  DELETE_GUARD_PERCENT: count(5, 0, 100),
  FUTURE_BIRTH_DATES: z.enum(['reject', 'accept']).default('reject'),
  SHUTDOWN_TIMEOUT_SECONDS: count(15, 1, 19),
});

/** The parsed settings. */
export type Config = z.infer<typeof settings>;

/** The injection token of the {@link Config}. */
export const CONFIG = Symbol('CONFIG');

/** Some settings are wrong. `problems` names all of them, one sentence each. */
export class ConfigError extends Error {
  constructor(readonly problems: string[]) {
    super(`The settings are wrong:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
  }
}

/**
 * Parses the environment once, at start. An empty variable counts as unset, as compose files write it.
 * @throws ConfigError naming every fault
 */
export function loadConfig(env: Record<string, string | undefined> = process.env): Config {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined && value !== ''));
  const parsed = settings.safeParse(given);
  if (parsed.success) return parsed.data;
  throw new ConfigError(parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`));
}
