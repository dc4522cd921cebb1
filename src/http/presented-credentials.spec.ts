import { describe, expect, it } from '@jest/globals';
import type { IncomingMessage } from 'node:http';
import { presentedCredentials } from './presented-credentials.js';

function read(headersDistinct: Record<string, string[]>) {
  return presentedCredentials({ headersDistinct } as unknown as IncomingMessage);
}

const base64 = (text: string) => Buffer.from(text).toString('base64');

describe('the presented credentials', () => {
  it.each([
    ['Bearer key', 'bearer', 'key'],
    ['bEARER   key ', 'bearer', 'key'],
    ['Bearer two words', 'bearer', 'two words'],
    [`Basic ${base64('user:key')}`, 'basic', 'key'],
    [`basic  ${base64(':a:b')}`, 'basic', 'a:b'],
    [`Basic ${base64('user:')}`, 'basic', ''],
  ])('of the Authorization "%s" are %s with the key "%s"', (header, scheme, key) => {
    expect(read({ authorization: [header] })).toEqual({
      authorization: { scheme, key },
      apiKey: null,
      isRepeated: false,
    });
  });

  it.each(['', 'Bearer', 'Basic', 'Basic ====', 'Basic not base64', `Basic ${base64('no colon')}`, 'Token x', 'key'])(
    'of the Authorization "%s" are the whole header',
    (header) => {
      expect(read({ authorization: [header] }).authorization).toEqual({ scheme: 'other', key: header });
    },
  );

  it('hold the X-API-Key without blanks around it', () => {
    expect(read({ 'x-api-key': [' key\u00a0'] }).apiKey).toBe('key');
  });

  it('are none without either header', () => {
    expect(read({})).toEqual({ authorization: null, apiKey: null, isRepeated: false });
  });

  it('say whether a header was sent twice', () => {
    expect(read({ 'x-api-key': ['one', 'two'] })).toMatchObject({ apiKey: 'one', isRepeated: true });
    expect(read({ authorization: ['Bearer one', 'Bearer two'] }).isRepeated).toBe(true);
  });

  it.each([
    ['spaces', `Bearer ${' '.repeat(300_000)}x y`],
    ['a password', `Basic ${base64(`:${'x'.repeat(225_000)}`)}`],
    ['no password', `Basic ${'='.repeat(300_000)}!`],
  ])('are read in time in proportion to their length, at 300,000 characters of %s', (_, header) => {
    const start = performance.now();
    read({ authorization: [header], 'x-api-key': [header] });
    expect(performance.now() - start).toBeLessThan(200);
  });
});
