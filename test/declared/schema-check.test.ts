import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { runCli, runProcess } from '../setup/command-line.js';
import { createEmptyDatabase } from '../setup/test-server.js';
import { Installation } from './installation.js';

const rooms = { name: 'rooms', key: 'no', fields: { no: 'text', size: 'integer' } };
const larger = { ...rooms, fields: { ...rooms.fields, view: 'text?' }, list: { filter: ['size'] } };
const other = { ...rooms, fields: { no: 'text', size: 'text' } };

let here: Installation;

beforeAll(async () => {
  here = await Installation.create();
});

afterAll(() => here.close());

/** Rooms are applied, and nothing else. */
beforeEach(async () => {
  rmSync(join(here.folder, 'faulty.yaml'), { force: true });
  here.declare(rooms);
  await here.command('resources', 'apply', '--allow-loss');
});

const check = (...more: string[]) => here.command('resources', 'check', ...more);
const apply = (...more: string[]) => here.command('resources', 'apply', ...more);

describe('resources check', () => {
  it('ends with 0 and says that nothing would change', async () => {
    expect(await check()).toEqual({
      code: 0,
      stdout: '✓ The files are good, and the database is as they say.\n',
      stderr: '',
    });
    const { code, stdout } = await check('--json');
    expect({ code, json: JSON.parse(stdout) }).toEqual({ code: 0, json: { faults: [], changes: [] } });
  });

  it('ends with 0 where there is no database yet, and makes none', async () => {
    const DATA_DIR = join(here.folder, 'no-data');
    const environment = { RESOURCES_DIR: here.folder, DATA_DIR };

    const { code, stdout } = await runCli(['resources', 'check'], environment);

    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: expect.stringMatching(/^The files are good. There is no database yet/),
    });
    expect(existsSync(DATA_DIR)).toBe(false);
    here.write('faulty.yaml', 'name: faulty');
    expect((await runCli(['resources', 'check'], environment)).code).toBe(1);
  });

  it('ends with 0 and says what would only be added, and adds nothing', async () => {
    here.declare(larger);
    const index = 'makes an index (source_id, "size", external_id) where deleted_at is null';

    expect(await check()).toEqual({
      code: 0,
      stdout: `This would change:\n  + rooms: adds the field view\n  + rooms: ${index}\n`,
      stderr: '',
    });
    const { code, stdout } = await check('--json');
    expect({ code, json: JSON.parse(stdout) }).toEqual({
      code: 0,
      json: {
        faults: [],
        changes: [
          { resource: 'rooms', what: 'adds the field view', loses: false },
          { resource: 'rooms', what: index, loses: false },
        ],
      },
    });
  });

  it('ends with 2 and says what would be lost, and loses nothing', async () => {
    here.declare(other);
    const loss = 'changes the type of size to text: drops its values';

    for (let times = 0; times < 2; times++) {
      expect(await check()).toEqual({
        code: 2,
        stdout: `This would change:\n  ! rooms: ${loss} (loses something)\n`,
        stderr: '',
      });
    }
    const { code, stdout } = await check('--json');
    expect({ code, json: JSON.parse(stdout) }).toEqual({
      code: 2,
      json: { faults: [], changes: [{ resource: 'rooms', what: loss, loses: true }] },
    });
  });

  it('ends with 1 and says every fault with its file and line', async () => {
    here.write('faulty.yaml', 'name: faulty\nfields:\n  a: money\n  id: text\n');

    const told = await check();
    expect(told).toMatchObject({ code: 1, stdout: '' });
    expect(told.stderr).toMatch(
      /^✗ The files of resources are wrong:\n  - faulty\.yaml:3: fields\.a is not a type; .*\n  - faulty\.yaml:4: fields\.id is a reserved name\.\n$/,
    );
    const { code, stdout } = await check('--json');
    expect({ code, json: JSON.parse(stdout) }).toEqual({
      code: 1,
      json: {
        faults: [
          { file: 'faulty.yaml', line: 3, detail: expect.stringContaining('fields.a is not a type') },
          { file: 'faulty.yaml', line: 4, detail: 'fields.id is a reserved name.' },
        ],
        changes: [],
      },
    });
  });

  it('needs no database to find faults', async () => {
    here.write('faulty.yaml', 'name: [\n');
    const env = { ...here.environment, DATABASE_URL: 'postgresql://x:x@127.0.0.1:1/x' };

    const { code, stderr } = await runProcess(['resources', 'check'], env);

    expect(code).toBe(1);
    expect(stderr).toMatch(/ {2}- faulty\.yaml:\d+: /);
  });

  it('says what to do about a database without tables', async () => {
    const env = { ...here.environment, DATABASE_URL: await createEmptyDatabase() };

    const { code, stderr } = await runProcess(['resources', 'check'], env);

    expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringContaining('npm run cli -- migrate') });
  });

  it('is what faults stop, and with it the other commands that need definitions, but no others', async () => {
    here.write('faulty.yaml', 'name: [\n');

    for (const command of ['resources apply', 'migrate', 'mirror verify']) {
      const { code, stderr } = await here.command(...command.split(' '));
      expect({ command, code, stderr }).toMatchObject({
        code: 1,
        stderr: expect.stringMatching(/^✗ The files of resources are wrong:\n  - faulty\.yaml:\d: /),
      });
    }
    for (const command of ['keys list', 'audit verify', 'accounts verify', 'claims verify']) {
      const { code } = await here.command(...command.split(' '));
      expect({ command, code }).toEqual({ command, code: 0 });
    }
  });

  it('escapes what terminals would take for commands', async () => {
    here.write('faulty.yaml', 'name: faulty\nfields:\n  "\\e[2J": text\n"\\e[2J": 1\n');

    const { code, stderr } = await check();

    expect(code).toBe(1);
    expect(stderr).toContain('fields.\\u001b[2J must be a letter');
    expect(stderr).not.toContain('\u001b');
  });
});

describe('resources apply', () => {
  it('says what it has added, and then that there is nothing to add', async () => {
    here.declare(larger);

    expect(await apply()).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(
        /^This was changed:\n {2}\+ rooms: adds the field view\n {2}\+ rooms: makes an index /,
      ),
      stderr: '',
    });
    expect(await apply()).toEqual({ code: 0, stdout: '✓ The database was as the files say already.\n', stderr: '' });
  });

  it('ends with 1 before anything is lost, and names it', async () => {
    here.declare({ ...larger, fields: other.fields });

    const { code, stdout, stderr } = await apply();

    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toBe(
      '✗ The definitions of resources would lose what is stored:\n' +
        '  - rooms: changes the type of size to text: drops its values\n' +
        'Nothing was changed. If that is meant: npm run cli -- resources apply --allow-loss\n',
    );
    expect(await check()).toMatchObject({ code: 2 });
  });

  it('loses what may be lost with --allow-loss, and prints JSON for programs', async () => {
    here.declare(other);

    const { code, stdout } = await apply('--allow-loss', '--json');

    expect({ code, json: JSON.parse(stdout) }).toEqual({
      code: 0,
      json: {
        changes: [{ resource: 'rooms', what: 'changes the type of size to text: drops its values', loses: true }],
      },
    });
    expect(await check()).toMatchObject({ code: 0, stdout: expect.stringMatching(/^✓ /) });
  });

  it('ends with 1 for files that are wrong, and applies none of them', async () => {
    here.declare(larger);
    here.write('faulty.yaml', 'name: rooms\nfields: {}\n');

    expect(await apply()).toMatchObject({
      code: 1,
      stdout: '',
      stderr:
        '✗ The files of resources are wrong:\n  - faulty.yaml:1: name is the same as in rooms.yaml.\n  - rooms.yaml:2: name is the same as in faulty.yaml.\n',
    });
    rmSync(join(here.folder, 'faulty.yaml'));
    expect((await check()).stdout).toContain('+ rooms: adds the field view\n');
  });

  it('makes the tables of the application too, where there are none', async () => {
    const empty = await Installation.create(createEmptyDatabase());
    try {
      empty.declare(rooms);

      expect(await empty.command('resources', 'apply')).toMatchObject({ code: 0 });
      expect(await empty.command('resources', 'check')).toMatchObject({ code: 0 });
    } finally {
      await empty.close();
    }
  });
});
