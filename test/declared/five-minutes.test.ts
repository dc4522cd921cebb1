import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startTestServer, type TestServer } from '../setup/test-server.js';

// What docs/resources.md promises to a newcomer, done as it is written there.

let server: TestServer;
let directory: string;
let commands: string[];

beforeAll(async () => {
  const page = await readFile('docs/resources.md', 'utf8');
  const [fiveMinutes = ''] = page.split('## The file');
  const blocks = [...fiveMinutes.matchAll(/^ {3}```(\w+)\n([\s\S]*?)^ {3}```$/gm)];
  const textOf = (language: string) =>
    blocks.filter(([, name]) => name === language).map(([, , text = '']) => text.replaceAll(/^ {3}/gm, ''));
  directory = await mkdtemp(join(tmpdir(), 'counterpart-docs-'));
  await writeFile(join(directory, 'invoices.yaml'), textOf('yaml')[0] ?? '');
  commands = textOf('sh')
    .join('')
    .replaceAll('\\\n', '')
    .split(/\n(?=curl|npm)/);
  server = await startTestServer({ RESOURCES_DIR: directory });
});

afterAll(async () => {
  await server.close();
  await rm(directory, { recursive: true });
});

/** Does the next curl command of the page. */
async function next(): Promise<any> {
  const command = commands.splice(0, commands.findIndex((text) => text.startsWith('curl')) + 1).at(-1) ?? '';
  const words = [...command.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '');
  const valuesOf = (option: string) => words.filter((_, place) => words[place - 1] === option);
  const url = words.find((word) => word.startsWith('localhost:3000')) ?? '';
  const [body] = valuesOf('-d');
  const response = await server.fetch(url.replace('localhost:3000', ''), {
    method: valuesOf('-X')[0] ?? 'GET',
    headers: Object.fromEntries(valuesOf('-H').map((header) => header.split(': ') as [string, string])),
    ...(body !== undefined && { body }),
  });
  return response.json();
}

it('the five minutes of the page on resources work as they are written', async () => {
  expect(await next()).toMatchObject({ status: 'completed', counts: { created: 3, rejected: 0 } });
  expect((await next()).items).toMatchObject([{ externalId: '2026-1', amount: '1200.00', paid: true }]);
  expect((await next()).items).toMatchObject([{ externalId: '2026-2' }, { externalId: '2026-3' }]);
  expect(await next()).toMatchObject({ number: '2026-1', customer: 'Acme', issued: '2026-01-15', note: null });
  expect((await next()).items).toMatchObject([{ operation: 'created' }]);
  expect(await next()).toMatchObject({ status: 'completed', counts: { updated: 1, deleted: 1 } });
  const held = await next();
  expect(held).toMatchObject({ status: 'awaiting_approval', plan: { delete: 2 } });
  expect(commands.filter((text) => text.startsWith('curl'))).toEqual([]);
  expect(commands.map((text) => text.trim().replace(/<.*>/, 'ID'))).toEqual([
    'npm run cli -- jobs --status awaiting_approval',
    'npm run cli -- approve ID',
  ]);
});
