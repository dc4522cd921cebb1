import { describe, expect, it } from '@jest/globals';
import { Writable } from 'node:stream';
import { type Logger, type LoggerOptions, pino } from 'pino';
import { loadConfig } from '../settings/config.js';
import { LOGGED_FIELDS, loggingOptions } from './logging.js';

/** Fields that pino itself writes, and the names of the fields that were left out. */
const PINO_FIELDS = ['level', 'time', 'pid', 'hostname', 'msg', 'leftOut'];

/** The lines that are logged, parsed. */
function logged(say: (log: Logger) => void): Record<string, unknown>[] {
  const lines: Record<string, unknown>[] = [];
  const sink = new Writable({
    write: (line: Buffer, _, done) => {
      lines.push(JSON.parse(line.toString()) as Record<string, unknown>);
      done();
    },
  });
  const { pinoHttp } = loggingOptions(loadConfig({ LOG_LEVEL: 'debug' }));
  say(pino(pinoHttp as LoggerOptions, sink));
  return lines;
}

describe('a line of the log', () => {
  it('holds the allowed fields and the names of any others', () => {
    const [line] = logged((log) => log.warn({ job: '1', firstName: 'Rick', body: { amount: 1 } }, 'done'));

    expect(line).toMatchObject({ job: '1', leftOut: ['firstName', 'body'], msg: 'done' });
    expect(Object.keys(line ?? {}).filter((name) => !PINO_FIELDS.includes(name))).toEqual(['job']);
  });

  it('holds the kind, code and stack of an error, never its message', () => {
    const error = Object.assign(new TypeError('duplicate key (Rick)\n    at Deckard'), {
      code: '23505',
      detail: 'Rick',
    });

    const lines = logged((log) => {
      log.error(error);
      log.error({ err: error });
      log.error({ err: error }, 'failed');
      log.error({ err: new Error('wrapped', { cause: error }) }, 'failed');
    });

    expect(lines.map(({ msg }) => msg)).toEqual(['no message', 'no message', 'failed', 'failed']);
    expect(lines[2]?.['err']).toEqual({
      type: 'TypeError',
      code: '23505',
      stack: expect.stringMatching(/^ {4}at .+:\d+:\d+/),
    });
    expect(JSON.stringify(lines)).not.toMatch(/Rick|Deckard|wrapped/);
  });

  it('holds only the kind of a thrown value that is not an error', () => {
    const lines = logged((log) => {
      for (const err of ['Rick', { message: 'Rick', name: 'Rick' }, 7, null, ['Rick']]) log.error({ err }, 'failed');
    });

    expect(lines.map(({ err }) => err)).toEqual([
      { type: 'string' },
      { type: 'Object' },
      { type: 'number' },
      { type: 'object' },
      { type: 'Array' },
    ]);
  });

  it('holds the method and the route of a request', () => {
    const request = {
      method: 'GET',
      url: '/patients/Rick?q=Deckard',
      headers: { cookie: 'Rick' },
      params: { externalId: 'Rick' },
    };
    const job = '019aa5f0-8a3e-7c1b-b6f4-0d9e1f2a3b4c';

    const lines = logged((log) => {
      log.info({ req: { ...request, route: { path: '/patients/:externalId' } } }, 'asked');
      log.info({ req: { ...request, route: { path: '/sync/jobs/:id/errors' }, params: { id: job } } }, 'asked');
      log.info({ req: { ...request, route: { path: '/sync/jobs/:id' }, params: { id: 'Rick' } } }, 'asked');
      log.info({ req: { ...request, route: { path: '{/*splat}' } } }, 'asked');
      log.info({ req: request, res: { statusCode: 404, headers: { 'x-a': 'Rick' } } }, 'asked');
    });

    expect(lines.map(({ req }) => (req as { path: string }).path)).toEqual([
      '/patients/:externalId',
      `/sync/jobs/${job}/errors`,
      '/sync/jobs/:id',
      'none',
      'none',
    ]);
    expect(lines[4]).toMatchObject({ req: { method: 'GET', path: 'none' }, res: { status: 404 } });
    expect(JSON.stringify(lines)).not.toMatch(/Rick|Deckard/);
  });

  it('is one line, whatever is logged', () => {
    const lines = logged((log) => log.warn({ reason: 'a\n{"level":60}\u001b[31m' }, 'a\nb'));

    expect(lines).toHaveLength(1);
    expect(LOGGED_FIELDS.has('reason')).toBe(true);
  });
});
