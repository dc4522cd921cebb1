import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { loadConfig, settings } from './config.js';

const lines = readFileSync(new URL('../../.env.example', import.meta.url), 'utf8').split('\n');

/** A setting as the file writes it, and whether a line that says something about it stands above. */
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

  it('changes nothing when all its settings are put in force', () => {
    const inForce = Object.fromEntries(entries().map(({ name, value }) => [name, value]));

    expect(loadConfig(inForce)).toEqual(loadConfig({}));
  });

  it('leaves every setting commented out, so that a copy keeps to defaults that change later', () => {
    expect(lines.filter((line) => line !== '' && !line.startsWith('#'))).toEqual([]);
  });

  it('says something about every setting', () => {
    const bare = entries().filter(({ explained }) => !explained);

    expect(bare.map(({ name }) => name)).toEqual([]);
  });
});

function entries(): Entry[] {
  let explained = false;
  return lines.flatMap((line) => {
    const [, name, value] = /^# ([A-Z_]+)=(.*)$/.exec(line) ?? [];
    if (name !== undefined && value !== undefined) return [{ name, value, explained }];
    // Settings that belong together may share what is said above them.
    explained = line !== '';
    return [];
  });
}

/** Optional settings without a default are written as empty, which counts as unset. */
function defaults(): string[] {
  return Object.entries(settings.shape).map(([name, setting]) => `${name}=${setting.parse(undefined) ?? ''}`);
}
