import { describe, expect, it } from '@jest/globals';
import { authMode, ConfigError, loadConfig, poolSize } from './config.js';

function problemsOf(env: Record<string, string>): string[] {
  try {
    loadConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

describe('the settings', () => {
  it('each have a default', () => {
    expect(loadConfig({})).toMatchObject({
      NODE_ENV: 'development',
      PORT: 3000,
      HOST: '127.0.0.1',
      ROLE: 'all',
      DATA_DIR: '.data',
      MAX_BODY_BYTES: 1024 ** 3,
      MAX_CONCURRENT_UPLOADS: 8,
      SNAPSHOT_RETENTION_DAYS: 30,
      DELETE_GUARD_ROWS: 50,
      DELETE_GUARD_PERCENT: 5,
      FUTURE_BIRTH_DATES: 'reject',
    });
  });

  it('that are empty count as unset', () => {
    expect(loadConfig({ PORT: '', DATABASE_URL: '', FUTURE_BIRTH_DATES: '' })).toEqual(loadConfig({}));
  });

  it('are read with their types, and other variables are left alone', () => {
    const env = { PORT: '0', HOST: '::1', REDIS_URL: 'redis://a,b,c', FUTURE_BIRTH_DATES: 'accept', PATH: '/bin' };

    const config = loadConfig({ ...env, DATABASE_URL: 'postgres://u:p@h/d', DELETE_GUARD_ROWS: '0' });

    expect(config).toMatchObject({ PORT: 0, HOST: '::1', REDIS_URL: 'redis://a,b,c', DELETE_GUARD_ROWS: 0 });
    expect(config).not.toHaveProperty('PATH');
  });

  it.each([
    ['2', 2],
    ['10.0.0.1, ::1/128,loopback', ['10.0.0.1', '::1/128', 'loopback']],
  ])('trust the proxies %s', (TRUST_PROXY, proxies) => {
    expect(loadConfig({ TRUST_PROXY })).toMatchObject({ TRUST_PROXY: proxies });
  });

  it.each([
    ['PORT', 'abc'],
    ['PORT', '65536'],
    ['PORT', '-1'],
    ['PORT', '1.5'],
    ['PORT', ' 3000'],
    ['HOST', 'example.org'],
    ['ROLE', 'boss'],
    ['DATABASE_URL', 'mysql://localhost'],
    ['REDIS_URL', 'localhost:6379'],
    ['REDIS_URL', 'redis://a,b/1'],
    ['MAX_BODY_BYTES', '0'],
    ['MAX_BODY_BYTES', '1GiB'],
    ['MAX_BODY_BYTES', '99999999999999999999'],
    ['SNAPSHOT_RETENTION_DAYS', '-1'],
    ['DELETE_GUARD_PERCENT', '101'],
    ['FUTURE_BIRTH_DATES', 'maybe'],
    ['NODE_ENV', 'prod'],
    ['QUEUE_PREFIX', 'With Blanks'],
    ['TRUST_PROXY', 'everybody'],
    ['TRUST_PROXY', '10.0.0.0/33'],
    ['TRUST_PROXY', '1,'],
    ['AUDIT_RETENTION_DAYS', '364'],
    ['PAYMENT_MAX_AMOUNT', '-1'],
    ['PAYMENT_MAX_AMOUNT', '1e3'],
  ])('%s=%s is refused by name', (name, value) => {
    const problems = problemsOf({ [name]: value });

    expect(problems.length).toBeGreaterThan(0);
    for (const problem of problems) expect(problem).toMatch(new RegExp(`^${name}: .`));
  });

  it('require a pool in which jobs that run at once do not wait for each other', () => {
    expect(problemsOf({ DATABASE_POOL_SIZE: '9' })).toEqual([
      'DATABASE_POOL_SIZE: must be at least 10 with WORKER_CONCURRENCY=4',
    ]);
    expect(problemsOf({ DATABASE_POOL_SIZE: '9', PORT: 'abc' })).toHaveLength(2);
    expect(problemsOf({ DATABASE_POOL_SIZE: '9', WORKER_CONCURRENCY: '2' })).toEqual([]);
    expect(problemsOf({ DATABASE_POOL_SIZE: '4', ROLE: 'api' })).toEqual([]);
  });

  it.each([
    ['api', 20],
    ['worker', 10],
    ['payments', 10],
    ['all', 40],
  ])('give the role %s %i connections', (ROLE, size) => {
    expect(poolSize(loadConfig({ ROLE }))).toBe(size);
  });

  it.each([
    [{}, 'open'],
    [{ HOST: 'localhost' }, 'open'],
    [{ HOST: '127.8.9.1', NODE_ENV: 'test' }, 'open'],
    [{ HOST: '::1' }, 'open'],
    [{ NODE_ENV: 'production' }, 'keys'],
    [{ HOST: '0.0.0.0' }, 'keys'],
    [{ HOST: '::' }, 'keys'],
    [{ HOST: '192.168.1.2', NODE_ENV: 'test' }, 'keys'],
    [{ AUTH: 'keys' }, 'keys'],
    [{ TRUST_PROXY: '1' }, 'keys'],
    [{ TRUST_PROXY: 'loopback', HOST: 'localhost' }, 'keys'],
    [{ AUTH: 'open', NODE_ENV: 'production' }, 'open'],
  ])('with %j authenticate callers by: %s', (env, mode) => {
    expect(authMode(loadConfig(env))).toBe(mode);
  });

  it('do not open a server to other machines, and report that along with other faults', () => {
    for (const HOST of ['0.0.0.0', '::', '10.0.0.1', '::ffff:10.0.0.1']) {
      expect(problemsOf({ AUTH: 'open', HOST })).toEqual([expect.stringMatching(/^AUTH: open is only for a HOST/)]);
    }
    expect(problemsOf({ AUTH: 'open', HOST: '0.0.0.0', PORT: 'abc' })).toHaveLength(2);
    expect(problemsOf({ AUTH: 'open', HOST: 'nowhere' })).toEqual([expect.stringMatching(/^HOST: /)]);
    expect(problemsOf({ AUTH: 'none' })).toEqual([expect.stringMatching(/^AUTH: /)]);
  });

  it('that are wrong are named all at once, without their values', () => {
    const env = { PORT: 'abc', ROLE: 'boss', DATABASE_URL: 'mysql://user:secret@host/db', DELETE_GUARD_PERCENT: '101' };

    const problems = problemsOf(env);

    expect(problems.map((problem) => problem.split(':')[0] ?? '').toSorted()).toEqual(Object.keys(env).toSorted());
    expect(new ConfigError(problems).message).not.toContain('secret');
    for (const problem of problems) expect(new ConfigError(problems).message).toContain(problem);
  });
});
