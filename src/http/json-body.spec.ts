import { describe, expect, it } from '@jest/globals';
import type { Request } from 'express';
import { Readable } from 'node:stream';
import { rawNumber } from '../values/exact-json.js';
import { readJsonBody } from './json-body.js';

const CHUNKED = { 'transfer-encoding': 'chunked' };
const JSON_TYPE = { 'content-type': 'application/json' };

/** The body that a route gets after `text` has been sent in one chunk, or in none. */
async function readBody(text: string, headers: Record<string, string> = { ...CHUNKED, ...JSON_TYPE }): Promise<any> {
  const request = Object.assign(Readable.from(text === '' ? [] : [Buffer.from(text)]), {
    headers,
  }) as unknown as Request;
  await readJsonBody(request, {} as never, () => undefined);
  return request.body;
}

describe('A small JSON body', () => {
  it.each(['5', '5.0', '0.1', '-0', '1e2', '9007199254740991'])('holds the number %s', async (literal) => {
    expect(await readBody(`{"sum":${literal}}`)).toEqual({ sum: Number(literal) });
  });

  it.each(['4.9999999999999999999', '4503599627370497.5', '9007199254740991.4', '9007199254740993', '1e-400', '1e400'])(
    'keeps %s as a raw number, which a double would round',
    async (literal) => {
      const { sum } = await readBody(`{"sum":${literal}}`);

      expect([typeof sum, rawNumber(sum)]).toEqual(['object', literal]);
    },
  );

  it.each<Record<string, string>>([
    CHUNKED,
    { ...CHUNKED, ...JSON_TYPE },
    { ...CHUNKED, 'content-type': 'text/plain' },
    { 'content-length': '0' },
    {},
  ])('is undefined if it has no bytes: %j', async (headers) => expect(await readBody('', headers)).toBeUndefined());

  it.each([
    ['{}', { ...CHUNKED, 'content-type': 'text/plain' }, 415],
    ['{}', { ...CHUNKED, ...JSON_TYPE, 'content-encoding': 'gzip' }, 415],
    ['{}', { 'content-length': '2' }, 415],
    [' ', { ...CHUNKED, ...JSON_TYPE }, 400],
    [`"${'x'.repeat(64 * 1024)}"`, { ...CHUNKED, ...JSON_TYPE }, 413],
  ])('is refused if it is not readable JSON: %#', async (text, headers, status) => {
    await expect(readBody(text, headers)).rejects.toMatchObject({ status });
  });

  it.each(['5', '1e400', 'null', '[]', '"{}"'])('is refused if it is not an object: %s', async (text) => {
    await expect(readBody(text)).rejects.toMatchObject({ status: 400, code: 'invalid_body' });
  });
});
