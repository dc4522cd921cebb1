import { describe, expect, it } from '@jest/globals';
import { readBraces, readPythonList } from './text-lists.js';

describe('a list in braces', () => {
  it.each([
    ['{}', []],
    [' { } ', []],
    ['{GB1,NL2}', ['GB1', 'NL2']],
    ['{ GB1 , NL2 }', ['GB1', 'NL2']],
    ['{"a,b","c\\"d\\\\"}', ['a,b', 'c"d\\']],
    ["{it's}", ["it's"]],
  ])('%s is read', (text, list) => {
    expect(readBraces(text)).toEqual(list);
  });

  it.each([
    '',
    '{',
    '}',
    '{a',
    '{a,}',
    '{,a}',
    '{a}}',
    '{a}b',
    '{{a}}',
    '{"a}',
    '{"a"b}',
    '{a"b}',
    '[a]',
    'a',
    '{"\\n"}',
  ])('%s is none', (text) => {
    expect(readBraces(text)).toBeNull();
  });
});

describe('a list of Python’s', () => {
  it.each([
    ['[]', []],
    ["['NL90', 'NL94']", ['NL90', 'NL94']],
    [`["it's", 'say "x"']`, ["it's", 'say "x"']],
    [`['it\\'s', '\\\\']`, ["it's", '\\']],
    ["['']", ['']],
  ])('%s is read', (text, list) => {
    expect(readPythonList(text)).toEqual(list);
  });

  it.each([
    '',
    '[',
    "['a'",
    "['a',]",
    "['a' 'b']",
    "['a'] + ['b']",
    '[a]',
    '[1]',
    "['a', None]",
    "[__import__('os').system('x')]",
    "['\\x41']",
    "('a',)",
    "['a\\']",
  ])('%s is none', (text) => {
    expect(readPythonList(text)).toBeNull();
  });
});

it.each(['[', '{', ' ', "'", '"', ',', '\\', "'\\'", "['", '{a', "'',", 'a,'])(
  'a text of 300,000 characters is read in proportion to its length: %s',
  (piece) => {
    const long = piece.repeat(300_000 / piece.length);

    for (const text of [long, `[${long}`, `{${long}`, `['${long}`, `{"${long}`, `[${long}]`, `{${long}}`]) {
      readBraces(text);
      readPythonList(text);
    }
    expect(readBraces(`{${'a,'.repeat(150_000)}a}`)).toHaveLength(150_001);
  },
);
