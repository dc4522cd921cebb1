import { isIP } from 'node:net';
import { z } from 'zod';
import { answersCallers, settlesPayments, worksOnJobs } from './process-role.js';
import { isLoopback } from './loopback.js';
import { parseRedisUrl } from './redis-address.js';
import { readTargets } from './targets.js';

const wholeNumber = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d+$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.number().min(min, `must be at least ${min}`).max(max, `must be at most ${max}`));

const count = (fallback: number, min = 1, max = Number.MAX_SAFE_INTEGER) => wholeNumber(min, max).default(fallback);

/** Whole numbers, separated by commas. */
const counts = (fallback: number[], max: number) =>
  z
    .string()
    .regex(/^\d{1,9}(,\d{1,9})*$/, 'must be whole numbers, separated by commas')
    .transform((text) => text.split(',').map(Number))
    .pipe(z.array(z.number().max(max, `must be at most ${max} each`)).max(50, 'must be at most 50 numbers'))
    .default(fallback);

/** An amount of money, as text. */
const amount = z
  .string()
  .regex(/^\d{1,15}(\.\d{1,2})?$/, 'must be an amount such as 25000 or 25000.00')
  .optional();

const url = (...protocols: string[]) =>
  z
    .string()
    .refine((text) => protocols.some((protocol) => text.startsWith(`${protocol}://`)), {
      message: `must start with ${protocols.map((protocol) => `${protocol}://`).join(' or ')}`,
    })
    .optional();

/** One Redis server, or the nodes of a cluster. */
const redisUrl = z
  .string()
  .check(({ value, issues }) => {
    try {
      parseRedisUrl(value);
    } catch (error) {
      issues.push({ code: 'custom', message: (error as Error).message, input: value });
    }
  })
  .optional();

/** How many proxies are in front, or which: addresses, networks, and Express's names for some of them. */
const proxies = z
  .string()
  .refine((text) => /^\d{1,2}$/.test(text) || text.split(',').every((part) => isProxy(part.trim())), {
    message: 'must be a number of proxies, or addresses and networks separated by commas',
  })
  .transform((text) => (/^\d{1,2}$/.test(text) ? Number(text) : text.split(',').map((part) => part.trim())))
  .optional();

function isProxy(text: string): boolean {
  if (['loopback', 'linklocal', 'uniquelocal'].includes(text)) return true;
  const [, address = '', bits] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const version = isIP(address);
  return version !== 0 && Number(bits ?? 0) <= (version === 4 ? 32 : 128);
}

/** Hosts, addresses and networks. */
const targets = z
  .string()
  .transform((text, { issues, value }) => {
    try {
      return readTargets(text);
    } catch (error) {
      issues.push({ code: 'custom', message: (error as Error).message, input: value });
      return z.NEVER;
    }
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
  AUTH: z.enum(['keys', 'open']).optional(),
  QUEUE_ACTIONS: z.enum(['deny', 'allow']).default('deny'),
  ROLE: z.enum(['all', 'api', 'worker', 'payments']).default('all'),
  DATABASE_URL: url('postgresql', 'postgres'),
  DATABASE_POOL_SIZE: wholeNumber(4, 500).optional(),
  MIGRATIONS: z.enum(['run', 'skip']).default('run'),
  STATEMENT_TIMEOUT_SECONDS: count(30, 1, 3600),
  JOB_STATEMENT_TIMEOUT_SECONDS: count(3600, 10, 86_400),
  REDIS_URL: redisUrl,
  QUEUE_PREFIX: z
    .string()
    .regex(/^[a-z0-9_-]{1,40}$/, 'must be 1 to 40 of a-z, 0-9, _ and -')
    .default('counterpart'),
  DATA_DIR: z.string().min(1).default('.data'),
  RESOURCES_DIR: z.string().min(1).optional(),
  LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'silent']).default('info'),
  MAX_CONNECTIONS: count(2000, 10, 100_000),
  MAX_HEADER_BYTES: count(16 * 1024, 8 * 1024, 256 * 1024),
  MAX_URL_BYTES: count(8 * 1024, 8 * 1024, 256 * 1024),
  MAX_PAGE_SIZE: count(1000, 1, 1000),
  TRUST_PROXY: proxies,
  RATE_LIMIT_PER_MINUTE: count(6000, 0, 10_000_000),
  WRONG_KEYS_PER_MINUTE: count(30, 0, 1_000_000),
  TOP_PROVIDERS_PER_MINUTE: count(10, 1, 1_000_000),
  MAX_BODY_BYTES: count(1024 ** 3),
  // This many take about a tenth of a second to read.
  SHORT_JOB_BYTES: count(4 * 1024 ** 2, 0, 64 * 1024 ** 2),
  MAX_RECORDS: count(20_000_000, 1, 1_000_000_000),
  MAX_RECORD_BYTES: count(1024 ** 2, 1024, 16 * 1024 ** 2),
  MAX_RECORD_DEPTH: count(64, 1, 1000),
  MAX_CONCURRENT_UPLOADS: count(8, 1, 1000),
  UPLOAD_TIMEOUT_SECONDS: count(3600),
  UPLOAD_IDLE_TIMEOUT_SECONDS: count(60, 1, 3600),
  UPLOAD_MIN_BYTES_PER_SECOND: count(100, 0, 1024 ** 2),
  WORKER_CONCURRENCY: count(4, 2, 64),
  WORKER_SILENCE_MS: count(6_000, 500, 600_000),
  MAX_ATTEMPTS: count(10, 1, 1000),
  SNAPSHOT_RETENTION_DAYS: count(30),
  MAX_STORED_BYTES: count(50 * 1024 ** 3),
  ERROR_RETENTION_DAYS: count(90),
  CHANGE_RETENTION_DAYS: count(400, 7),
  JOB_RETENTION_DAYS: count(400, 7),
  AUDIT_RETENTION_DAYS: count(2200, 365, 36_500),
  DELETE_GUARD_ROWS: count(50, 0),
  DELETE_GUARD_PERCENT: count(5, 0, 100),
  FUTURE_BIRTH_DATES: z.enum(['reject', 'accept']).default('reject'),
  WEBHOOK_TARGETS: z.enum(['public', 'any']).default('public'),
  WEBHOOK_MAX_ENDPOINTS: count(20, 1, 1000),
  WEBHOOK_TIMEOUT_SECONDS: count(15, 1, 60),
  WEBHOOK_RETRY_SECONDS: counts([5, 300, 1800, 7200, 18_000, 36_000, 36_000], 604_800),
  WEBHOOK_DISABLE_AFTER_DAYS: count(5, 1, 3650),
  WEBHOOK_RETENTION_DAYS: count(30, 1, 3650),
  CLAIM_RULES: z.enum(['basic', 'strict']).default('basic'),
  MAX_CLAIM_BYTES: count(5 * 1024 ** 2, 1024, 16 * 1024 ** 2),
  MAX_CLAIM_LINES: count(10_000, 1, 50_000),
  PAYMENTS_CONCURRENCY: count(16, 1, 256),
  PAYMENT_ATTEMPTS: count(8, 1, 100),
  PAYMENT_RETRY_MS: count(1_000, 10, 60_000),
  PAYMENT_MAX_AMOUNT: amount,
  PULL_TARGETS: targets,
  PULL_CONCURRENCY: count(2, 1, 32),
  PULL_TIMEOUT_SECONDS: count(10, 1, 600),
  PULL_ANSWER_SECONDS: count(600, 1, 86_400),
  PULL_MAX_ANSWER_BYTES: count(256 * 1024 ** 2, 1024, 1024 ** 3),
  PULL_MAX_ANSWERS: count(1_000_000, 1, 100_000_000),
  PULL_ATTEMPTS: count(8, 1, 100),
  PULL_RETRY_MS: count(500, 10, 60_000),
  PULL_WAIT_SECONDS: count(3600, 1, 604_800),
  PULL_RETENTION_DAYS: count(400, 1, 3650),
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
  const problems = (parsed.error?.issues ?? []).map((issue) => `${issue.path.join('.')}: ${issue.message}`);
  problems.push(...poolProblems(given), ...authProblems(given));
  if (!parsed.success || problems.length > 0) throw new ConfigError(problems);
  return parsed.data;
}

/** A pool that is too small for other settings, reported along with all other faults. */
function poolProblems(given: Record<string, string | undefined>): string[] {
  const { shape } = settings;
  const [size, concurrency, role] = [
    shape.DATABASE_POOL_SIZE.safeParse(given['DATABASE_POOL_SIZE']).data,
    shape.WORKER_CONCURRENCY.safeParse(given['WORKER_CONCURRENCY']).data,
    shape.ROLE.safeParse(given['ROLE']).data,
  ];
  if (size === undefined || concurrency === undefined || role === undefined) return [];
  const least = poolSizeOfJobs({ ROLE: role, WORKER_CONCURRENCY: concurrency });
  return size < least ? [`DATABASE_POOL_SIZE: must be at least ${least} with WORKER_CONCURRENCY=${concurrency}`] : [];
}

/** `AUTH=open` requires no keys: that is only for callers on this machine, whatever the environment. */
function authProblems(given: Record<string, string | undefined>): string[] {
  const host = settings.shape.HOST.safeParse(given['HOST']).data;
  if (given['AUTH'] !== 'open' || host === undefined || isLoopback(host)) return [];
  return ['AUTH: open is only for a HOST of this machine alone, such as 127.0.0.1; elsewhere callers need keys'];
}

/**
 * Whether callers need keys. The default is yes; for a server on loopback outside of production it is no, unless proxies
 * are in front, which may bring it requests of other machines.
 */
export function authMode({
  AUTH,
  HOST,
  NODE_ENV,
  TRUST_PROXY,
}: Pick<Config, 'AUTH' | 'HOST' | 'NODE_ENV' | 'TRUST_PROXY'>): 'keys' | 'open' {
  const isLocal = isLoopback(HOST) && TRUST_PROXY === undefined;
  return AUTH ?? (isLocal && NODE_ENV !== 'production' ? 'open' : 'keys');
}

/** Connections for callers: a query holds one for milliseconds. */
const POOL_SIZE_OF_CALLERS = 20;

/** Connections of a process to the database: as set, or as many as its role uses at once. */
export function poolSize(config: Config): number {
  const callers = answersCallers(config.ROLE) ? POOL_SIZE_OF_CALLERS : 0;
  return config.DATABASE_POOL_SIZE ?? callers + poolSizeOfJobs(config) + poolSizeOfPayments(config);
}

/** A payment is settled by one statement, so two share a connection; relay, rescuer and metrics need two more. */
function poolSizeOfPayments({ ROLE, PAYMENTS_CONCURRENCY }: Pick<Config, 'ROLE' | 'PAYMENTS_CONCURRENCY'>): number {
  return settlesPayments(ROLE) ? Math.ceil(PAYMENTS_CONCURRENCY / 2) + 2 : 0;
}

/**
 * A job holds a connection for its transaction and takes another one to read the snapshot: with fewer, jobs would wait for
 * each other. Heartbeat, rescuer and cleaner need two more.
 */
function poolSizeOfJobs(config: Pick<Config, 'ROLE' | 'WORKER_CONCURRENCY'>): number {
  return worksOnJobs(config.ROLE) ? 2 * config.WORKER_CONCURRENCY + 2 : 0;
}
