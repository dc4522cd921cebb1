import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { loadConfig, settings } from './config.js';

const lines = readFileSync(new URL('../../.env.example', import.meta.url), 'utf8').split('\n');

/** A setting as the file has it, and whether a line above explains it. */
interface Entry {
  name: string;
  value: string;
  explained: boolean;
}

describe('.env.example', () => {
  it('holds every setting once, with its default', () => {
    const written = entries().map(({ name, value }) => `${name}=${value}`);

    expect(written.toSorted()).toEqual(defaults().toSorted());
  });

  it('changes nothing when all its settings are uncommented', () => {
    const inForce = Object.fromEntries(entries().map(({ name, value }) => [name, value]));

    expect(loadConfig(inForce)).toEqual(loadConfig({}));
  });

  it('leaves every setting commented out, so that a copy follows later changes of the defaults', () => {
    expect(lines.filter((line) => line !== '' && !line.startsWith('#'))).toEqual([]);
  });

  it('explains every setting', () => {
    const bare = entries().filter(({ explained }) => !explained);

    expect(bare.map(({ name }) => name)).toEqual([]);
  });
});

function entries(): Entry[] {
  let explained = false;
  return lines.flatMap((line) => {
    const [, name, value] = /^# ([A-Z_]+)=(.*)$/.exec(line) ?? [];
    if (name !== undefined && value !== undefined) return [{ name, value, explained }];
    // Settings that belong together may share an explanation.
    explained = line !== '';
    return [];
  });
}

/** Optional settings without a default are empty in the file, which counts as unset. */
function defaults(): string[] {
  return Object.entries(settings.shape).map(([name, setting]) => `${name}=${setting.parse(undefined) ?? ''}`);
}
