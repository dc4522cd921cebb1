import { describe, expect, it } from '@jest/globals';
import { inspectStart } from './first-byte.js';
import type { SnapshotFormat } from './snapshot-format.js';

describe('Inspecting the start of an upload', () => {
  it.each<[SnapshotFormat, string | number[], boolean, string]>([
    ['json', '[', false, 'ok'],
    ['json', '{', false, 'ok'],
    ['json', '\ufeff \r\n\t[', false, 'ok'],
    ['json', 'null', true, 'wrong_first_byte'],
    ['json', '<html>', false, 'wrong_first_byte'],
    ['json', [0xff, 0xfe, 0x5b, 0x00], false, 'wrong_first_byte'],
    ['json', '\ufeff\ufeff[', false, 'wrong_first_byte'],
    ['json', [0xef, 0xbb], false, 'more'],
    ['json', [0xef, 0xbb], true, 'wrong_first_byte'],
    ['json', '', false, 'more'],
    ['json', '\ufeff  ', false, 'more'],
    ['json', '\ufeff  ', true, 'empty'],
    ['json', '', true, 'empty'],
    ['ndjson', '\n{', false, 'ok'],
    ['ndjson', '[', false, 'wrong_first_byte'],
    ['ndjson', '"a"', false, 'wrong_first_byte'],
    ['ndjson', ' \n', true, 'empty'],
    ['csv', 'a,b', false, 'ok'],
    ['csv', '"a', false, 'ok'],
    ['csv', [0], false, 'wrong_first_byte'],
    ['csv', '\r\n', true, 'empty'],
  ])('%s %j (ended: %s): %s', (format, head, ended, expected) => {
    const verdict = inspectStart(format, Buffer.from(head as string), ended);

    expect(verdict.verdict === 'fault' ? verdict.code : verdict.verdict).toBe(expected);
  });
});
