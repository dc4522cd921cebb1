import { describe, expect, it } from '@jest/globals';
import { preferredWaitSeconds } from './prefer.js';

describe('Prefer: wait', () => {
  it.each([
    ['wait=10', 10],
    ['respond-async, wait=5', 5],
    ['WAIT = "7"', 7],
    ['wait=5; foo=bar', 5],
    ['wait=31', 30],
    ['wait=99999999999999999999', 30],
    ['wait=0', 0],
  ])('%s is %d seconds', (header, seconds) => {
    expect(preferredWaitSeconds(header)).toBe(seconds);
  });

  it.each([undefined, '', 'wait', 'wait=', 'wait=-1', 'wait=1.5', 'wait=soon', 'await=5', 'foo;wait=5'])(
    '%s does not wait',
    (header) => {
      expect(preferredWaitSeconds(header)).toBe(0);
    },
  );
});
