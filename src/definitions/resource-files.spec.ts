import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { cpuMs } from '../../test/hostile/odd-texts.js';
import { defineResource } from './define-resource.js';
import { DEFAULT_DIRECTORY, describeFaults, readResourceFiles } from './resource-files.js';

const bundled = [
  defineResource({ name: 'patients', fields: { name: 'text', dateOfBirth: 'date' } }, { table: 'patient' }),
  defineResource(
    {
      name: 'payments',
      fields: { patientId: 'text' },
      parents: { patient: { resource: 'patients', by: 'patientId', totals: { paymentsCount: 'count' } } },
    },
    { table: 'payment' },
  ),
];

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'counterpart-resources-'));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

function write(name: string, text: string): void {
  mkdirSync(dirname(join(folder, name)), { recursive: true });
  writeFileSync(join(folder, name), text);
}

/** What is wrong with the files, as people read it. */
async function faults(): Promise<string[]> {
  return describeFaults((await readResourceFiles(folder, bundled)).faults);
}

/** The same of a single file. */
async function faultsOf(text: string): Promise<string[]> {
  write('a.yaml', text);
  return faults();
}

const rooms = 'name: rooms\nfields: { size: integer }\n';

describe('a directory', () => {
  it('holds a definition in each of its YAML files, at any depth', async () => {
    write('rooms.yaml', rooms);
    write(
      'more/deep/beds.yml',
      'name: beds\nfields: { room: text }\nparents: { room: { resource: rooms, by: room } }\n',
    );
    write('README.md', '# No resource');
    write('rooms.yaml.bak', 'name: [');

    const { definitions, faults: found } = await readResourceFiles(folder, bundled);

    expect(found).toEqual([]);
    expect(definitions.map(({ name }) => name)).toEqual(['beds', 'rooms']);
  });

  it('may be empty', async () => {
    expect(await readResourceFiles(folder, bundled)).toEqual({ definitions: [], faults: [] });
  });

  it('that is named must exist', async () => {
    const missing = join(folder, 'missing');

    expect((await readResourceFiles(missing, bundled)).faults).toEqual([
      { file: missing, line: null, detail: 'does not exist.' },
    ]);
  });

  it('that is named must be one', async () => {
    write('rooms.yaml', rooms);

    expect(describeFaults((await readResourceFiles(join(folder, 'rooms.yaml'), bundled)).faults)).toEqual([
      `${join(folder, 'rooms.yaml')}: cannot be read (ENOTDIR).`,
    ]);
  });

  it('by default need not exist', async () => {
    // Of this project, which has no resources of its own.
    expect(DEFAULT_DIRECTORY).toBe('resources');
    expect(await readResourceFiles(null, bundled)).toEqual({ definitions: [], faults: [] });
  });

  it('has at most 200 files', async () => {
    for (let n = 0; n <= 200; n++) write(`r${n}.yaml`, `name: r${n}\nfields: {}\n`);

    expect(await faults()).toEqual([`${folder}: has more than 200 files.`]);
  });

  it('has at most 200 resources beside the bundled ones, and tells which are too many', async () => {
    for (let n = 100; n < 300; n++) write(`r${n}.yaml`, `name: r${n}\nfields: {}\n`);

    expect(await faults()).toEqual([
      'r298.yaml:1: name is one resource more than the 200 that are possible.',
      'r299.yaml:1: name is one resource more than the 200 that are possible.',
    ]);
  });
});

describe('a file', () => {
  it('that is too large is not read', async () => {
    expect(await faultsOf(`${rooms}#${'x'.repeat(256 * 1024)}`)).toEqual(['a.yaml: is larger than 262144 bytes.']);
    expect(await faultsOf(`${rooms}#${'x'.repeat(255 * 1024)}`)).toEqual([]);
  });

  it('that cannot be read is told, and so are those beside it', async () => {
    symlinkSync(join(folder, 'nowhere'), join(folder, 'a.yaml'));
    mkdirSync(join(folder, 'b.yaml'));
    // Its size is 0, and it has no end.
    symlinkSync('/dev/zero', join(folder, 'c.yaml'));
    write('d.yaml', 'name: 1\nfields: {}\n');

    expect(await faults()).toEqual([
      'a.yaml: cannot be read (ENOENT).',
      'b.yaml: is not a regular file.',
      'c.yaml: is not a regular file.',
      'd.yaml:1: name must be a lower-case letter followed by up to 39 lower-case letters, digits and hyphens.',
    ]);
  });

  it.each([
    ['', 'a.yaml:1: The file must be a mapping.'],
    ['# nothing but a remark\n', 'a.yaml:1: The file must be a mapping.'],
    ['rooms', 'a.yaml:1: The file must be a mapping.'],
    ['\n- name: rooms\n', 'a.yaml:2: The file must be a mapping.'],
    ['name: rooms\n', 'a.yaml:1: fields must be a mapping.'],
    [
      'fields: {}\n',
      'a.yaml:1: name must be a lower-case letter followed by up to 39 lower-case letters, digits and hyphens.',
    ],
    ['name: rooms\nfields:\n', 'a.yaml:2: fields must be a mapping.'],
    ['name: rooms\n\nfields:\n  a: text\n  b: money\n', /^a\.yaml:5: fields\.b is not a type/],
    ['name: rooms\nfields: { a: text }\nlist:\n  filter:\n', 'a.yaml:4: list.filter must be a list of names.'],
    [
      'name: rooms\nfields: { a: text }\nlist:\n  filter: [a, b]\n',
      'a.yaml:4: list.filter names "b", but there is no such field.',
    ],
    ['name: rooms\nfields: {}\nkey: a\n', 'a.yaml:3: key names "a", but there is no such field.'],
    ['name: rooms\nfields: {}\nliste: {}\n', /^a\.yaml:3: liste is not known; there are name, key,/],
  ])('%j has a fault at its line', async (text, fault) => {
    expect(await faultsOf(text)).toEqual([typeof fault === 'string' ? fault : expect.stringMatching(fault)]);
  });

  it.each([
    ['name: rooms\n\tfields: {}\n', 2],
    ['name: rooms\nfields: [\n', 3],
    ['name: "rooms\nfields: {}\n', 3],
    ['name: rooms\nfields: { a: text\n', 3],
    ['name: rooms\n  fields: {}\n', 1],
    ['name: rooms\nfields: }\n', 2],
    ['name: @rooms\nfields: {}\n', 1],
    ['%YAML 1.2\nname: rooms\nfields: {}\n', 2],
    ['name: rooms\nfields: {}\n---\nname: beds\nfields: {}\n', 3],
  ])('%j is no YAML, and the line tells where', async (text, line) => {
    const found = await faultsOf(text);

    expect(found.length).toBeGreaterThan(0);
    expect(found[0]).toMatch(new RegExp(`^a\\.yaml:${line}: \\S.*\\.$`));
  });

  it.each([
    ['name: rooms\nname: beds\nfields: {}\n', 'a.yaml:2: The name "name" is there twice.'],
    ['name: rooms\nfields:\n  a: text\n  b: text\n  "a": date\n', 'a.yaml:5: The name "a" is there twice.'],
    ['name: rooms\nfields: {}\nlist: { sort: [], sort: [] }\n', 'a.yaml:3: The name "sort" is there twice.'],
    ['name: rooms\nfields:\n  [a, b]: text\n', 'a.yaml:3: A name must be a text.'],
    ['name: rooms\nfields:\n  ? { a: b }\n  : text\n', 'a.yaml:3: A name must be a text.'],
  ])('%j has names that are no names', async (text, fault) => {
    expect(await faultsOf(text)).toEqual([fault]);
  });

  it('has no anchors and aliases', async () => {
    expect(await faultsOf('name: rooms\nfields:\n  a: &type text\n  b: *type\n')).toEqual([
      'a.yaml:3: Anchors cannot be used here.',
      'a.yaml:4: Aliases cannot be used here.',
    ]);
    expect(await faultsOf('name: rooms\nfields: &all\n  a: text\n')).toEqual([
      'a.yaml:3: Anchors cannot be used here.',
    ]);
    expect(await faultsOf('name: rooms\nfields: {}\nlist: *nothing\n')).toContain(
      'a.yaml:3: Aliases cannot be used here.',
    );
  });

  it.each(['!text', '!!str', '!!int', '!!binary', '!!timestamp', '!<tag:example.org,2026:x>', '!'])(
    'has no tags, such as %s',
    async (tag) => {
      expect(await faultsOf(`name: rooms\nfields:\n  a: ${tag} text\n`)).toEqual([
        'a.yaml:3: Tags cannot be used here.',
      ]);
    },
  );

  it.each(['!!map', '!!set', '!!omap', '!mine'])('has no tags of collections, such as %s', async (tag) => {
    expect(await faultsOf(`name: rooms\nfields: ${tag} { a: text }\n`)).toEqual([
      'a.yaml:2: Tags cannot be used here.',
    ]);
  });

  it('merges no other mapping into one', async () => {
    expect(await faultsOf('name: rooms\nfields: { a: text }\n<<: { key: a }\n')).toEqual([
      expect.stringMatching(/^a\.yaml:3: << is not known/),
    ]);
  });

  it('holds nothing but texts', async () => {
    const names = ['on', 'no', 'yes', 'null', 'true', 'NaN'];
    write('a.yaml', `name: on\nkey: on\nfields:\n${names.map((name) => `  ${name}: text\n`).join('')}`);

    const { definitions, faults: found } = await readResourceFiles(folder, bundled);

    expect(found).toEqual([]);
    expect(definitions).toMatchObject([{ name: 'on', key: ['on'], fields: names.map((name) => ({ name })) }]);
    expect(await faultsOf('name: null\nkey: 1e3\nfields: { 0x10: text, 1e3: text, 010: text, ~: text }\n')).toEqual([
      'a.yaml:3: fields.0x10 must be a letter followed by up to 62 letters, digits and underscores.',
      'a.yaml:3: fields.1e3 must be a letter followed by up to 62 letters, digits and underscores.',
      'a.yaml:3: fields.010 must be a letter followed by up to 62 letters, digits and underscores.',
      'a.yaml:3: fields.~ must be a letter followed by up to 62 letters, digits and underscores.',
    ]);
    expect(await faultsOf('name: 2026-01-01\nfields: {}\n')).toEqual([
      expect.stringMatching(/^a\.yaml:1: name must be/),
    ]);
  });

  it('has every fault told at once, in the order of the lines', async () => {
    const text = 'list: { filter: [x] }\nnam: a\nfields:\n  a: money\n  id: text\nname: Rooms\nwindow: a\n';

    expect(await faultsOf(text)).toEqual([
      'a.yaml:1: list.filter names "x", but there is no such field.',
      expect.stringMatching(/^a\.yaml:2: nam is not known/),
      expect.stringMatching(/^a\.yaml:4: fields\.a is not a type/),
      'a.yaml:5: fields.id is a reserved name.',
      expect.stringMatching(/^a\.yaml:6: name must be/),
    ]);
  });
});

describe('files beside each other', () => {
  it('may not have one name: each of them is at fault', async () => {
    write('1.yaml', rooms);
    write('2.yaml', `# the same\n${rooms}`);
    write('3.yaml', rooms);

    expect(await faults()).toEqual([
      '1.yaml:1: name is the same as in 2.yaml.',
      '2.yaml:2: name is the same as in 1.yaml.',
      '3.yaml:1: name is the same as in 1.yaml.',
    ]);
  });

  it('may not have the name of a bundled resource', async () => {
    write('a.yaml', 'fields: {}\nname: patients\n');

    expect(await faults()).toEqual(['a.yaml:2: name is that of a resource that comes along.']);
  });

  it('have parents that exist, in another file, in the same one, or bundled', async () => {
    const parents =
      '{ one: { resource: rooms, by: a }, two: { resource: beds, by: a }, three: { resource: patients, by: a } }';
    write('beds.yaml', `name: beds\nfields: { a: text }\nparents: ${parents}\n`);
    expect(await faults()).toEqual(['beds.yaml:3: parents.one.resource names rooms, and there is no such resource.']);

    write('rooms.yaml', rooms);
    expect(await faults()).toEqual([]);
  });

  it('have totals of names that their parents do not have yet', async () => {
    const child = (name: string, totals: string) =>
      write(
        `${name}.yaml`,
        `name: ${name}\nfields: { room: text, size: integer }\nparents:\n  room:\n    resource: rooms\n    by: room\n    totals:\n${totals}`,
      );
    write('rooms.yaml', rooms);
    child('beds', '      size: count\n      beds: count\n      created: count\n      source_id: count\n');
    child('desks', '      desks: count\n      beds: sum(size)\n');

    expect(await faults()).toEqual([
      'beds.yaml:8: parents.room.totals.size is the name of a field of rooms.',
      'beds.yaml:9: parents.room.totals.beds is also the name of a total of rooms that desks declares.',
      'beds.yaml:10: parents.room.totals.created is a reserved name.',
      'beds.yaml:11: parents.room.totals.source_id is a reserved name.',
      'desks.yaml:9: parents.room.totals.beds is also the name of a total of rooms that beds declares.',
    ]);
  });

  it('have totals in the rows of bundled resources beside those that come along', async () => {
    write(
      'visits.yaml',
      `name: visits
fields: { p: text, size: integer }
parents:
  p:
    resource: patients
    by: p
    totals:
      visits: count
      date_of_birth: count
      paymentsCount: count
      payments_count: count
      visitsTotal: sum(size)
      visits_total: sum(size)
`,
    );

    expect(await faults()).toEqual([
      'visits.yaml:9: parents.p.totals.date_of_birth is the name of a field of patients.',
      'visits.yaml:10: parents.p.totals.paymentsCount is also the name of a total of patients that payments declares.',
      'visits.yaml:11: parents.p.totals.payments_count is also the name of a total of patients that payments declares.',
      'visits.yaml:12: parents.p.totals.visitsTotal is another spelling of visits_total.',
      'visits.yaml:13: parents.p.totals.visits_total is another spelling of visitsTotal.',
    ]);
  });

  it('have all of their faults told at once', async () => {
    write('1.yaml', 'name: [\n');
    write('2.yaml', 'name: patients\nfields: {}\n');
    write('3.yaml', 'name: beds\nfields: { a: text, id: text }\nparents: { room: { resource: rooms, by: b } }\n');
    write('4.yaml', 'name: desks\nfields: { a: text }\nparents: { room: { resource: rooms, by: a } }\n');

    // Whether there are rooms cannot be told while one of the files is not read.
    expect(await faults()).toEqual([
      expect.stringMatching(/^1\.yaml:\d: /),
      '2.yaml:1: name is that of a resource that comes along.',
      '3.yaml:2: fields.id is a reserved name.',
      '3.yaml:3: parents.room.by names "b", but there is no such field.',
    ]);

    write('1.yaml', 'name: chairs\n');
    expect(await faults()).toEqual([
      '1.yaml:1: fields must be a mapping.',
      '2.yaml:1: name is that of a resource that comes along.',
      '3.yaml:2: fields.id is a reserved name.',
      '3.yaml:3: parents.room.by names "b", but there is no such field.',
      '3.yaml:3: parents.room.resource names rooms, and there is no such resource.',
      '4.yaml:3: parents.room.resource names rooms, and there is no such resource.',
    ]);
  });
});

it('a type with a comma that YAML has cut is told as that, once', async () => {
  expect(await faultsOf('name: rooms\nfields: { a: decimal(10,2), b: text, c: decimal(3, 1)? }\nwindow: a\n')).toEqual(
    ['a', 'c'].map(
      (name) =>
        `a.yaml:2: fields.${name} is cut at its comma: within { } a type with a comma needs quotes, such as "decimal(15,4)".`,
    ),
  );
});

it('a list of no fields as a key is the only fault of it', async () => {
  expect(await faultsOf('name: rooms\nkey: []\nfields: { externalId: text }\n')).toEqual([
    'a.yaml:2: key must name a field, or a list of fields.',
  ]);
});

describe('a hostile file', () => {
  const KIB = 1024;

  /** A billion laughs: nine levels of ten aliases each. */
  const laughs = [
    'a: &a [ha]',
    ...Array.from('bcdefghij', (name, index) => {
      return `${name}: &${name} [${Array.from({ length: 10 }, () => `*${'abcdefghij'[index]}`).join(', ')}]`;
    }),
  ].join('\n');

  it.each([
    ['a billion laughs', `name: rooms\nfields: {}\n${laughs}\n`],
    ['an alias of what it is in', 'name: rooms\nfields: &a\n  b: *a\n'],
    ['200 KB of opening brackets', '['.repeat(200 * KIB)],
    ['200 KB of nested brackets', `a: ${'['.repeat(100 * KIB)}${']'.repeat(100 * KIB)}`],
    ['200 KB of nested braces', `${'{a: '.repeat(40 * KIB)}${'}'.repeat(40 * KIB)}`],
    ['200 KB of nested lists', `${'- '.repeat(100 * KIB)}a`],
    ['200 KB of nested questions', `${'? '.repeat(100 * KIB)}a`],
    ['as deep as the parser reads', `name: rooms\nfields: {}\nlist: ${'['.repeat(1_000)}${']'.repeat(1_000)}\n`],
    ['30,000 names', Array.from({ length: 30_000 }, (_, index) => `a${index}:`).join('\n')],
    ['the same name 80,000 times', 'a:\n'.repeat(80_000)],
    [
      '20,000 fields',
      `name: rooms\nfields:\n${Array.from({ length: 20_000 }, (_, index) => ` a${index}: x`).join('\n')}`,
    ],
    ['100,000 entries of a list', `name: rooms\nfields: {}\nkey: [${'a,'.repeat(100_000)}]`],
    ['200 KB of quotes', `name: "${'\\"'.repeat(100 * KIB)}`],
    ['200 KB of tabs', `name:${'\t'.repeat(200 * KIB)}x`],
    ['200 KB of line ends', `name: "${'\n'.repeat(200 * KIB)}`],
    ['200 KB of hashes', `name: ${'#'.repeat(200 * KIB)}`],
    ['200 KB of tags', `name: ${'!'.repeat(200 * KIB)}`],
    ['200 KB of documents', '---\n'.repeat(50 * KIB)],
    ['bytes that are no text', '\u0000\u0001\ufffe{{{'],
  ])('such as %s takes no time, and is refused in a few lines', async (_, text) => {
    write('a.yaml', text);
    let found: string[] = [];

    const ms = await cpuMs(async () => {
      found = await faults();
    });

    expect(found.length).toBeGreaterThan(0);
    expect(found.length).toBeLessThanOrEqual(101);
    for (const fault of found) expect(fault).toMatch(/^a\.yaml(:\d+)?: \S/);
    expect(ms).toBeLessThan(5_000);
  });
});
