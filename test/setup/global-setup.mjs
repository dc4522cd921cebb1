import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { migrationOptions } from '../../dist/app.module.js';
// The built one: `npm test` builds first, and Jest would not map the endings of imports in a setup file.
import { startEmbeddedPostgres } from '../../dist/database/embedded-postgres/embedded-postgres.js';
import { applyResources, declaredResources } from '../../dist/installation.js';
import { migrate } from '../../dist/migrations/migrate.js';
import { bundle } from './bundle.mjs';

/**
 * Durability is tested with databases of their own; here it only costs time, as would autovacuum, which would look after
 * 200 databases once a minute, with a process for each.
 */
const SETTINGS = {
  fsync: 'off',
  full_page_writes: 'off',
  synchronous_commit: 'off',
  autovacuum: 'off',
  max_connections: '300',
};

/** The database that those of the tests are copies of, and the name of the queue in it. */
const TEMPLATE = { database: 'counterpart_template', queuePrefix: 'test' };

/** One PostgreSQL of our own for the whole run; each test server makes its database in it. */
export default async function globalSetup() {
  const dataDir = mkdtempSync(join(tmpdir(), 'counterpart-test-'));
  // What samples are drawn with: one seed for all files, see `exhaustive.ts`.
  process.env.SAMPLE_SEED ??= String(Date.now() % 1_000_000);
  const [postgres] = await Promise.all([startPostgres(dataDir), prepareProcesses(join(dataDir, 'compile-cache'))]);
  globalThis.testPostgres = { postgres, dataDir };
}

async function startPostgres(dataDir) {
  const postgres = await startEmbeddedPostgres({ dataDir, settings: SETTINGS });
  process.env.TEST_DATABASE_URL = postgres.url;
  await makeTemplate(postgres.url);
  return postgres;
}

/**
 * The bundle, and a compile cache with which processes start faster. Most of those that are started here are killed, and only
 * a process that ends by itself leaves its cache behind: one that loads everything and ends, and one that refuses its
 * settings once it is loaded.
 */
async function prepareProcesses(folder) {
  await bundle('dist', 'dist/bundled');
  // Not as `NODE_COMPILE_CACHE`: Jest's workers would write all that they have compiled when they end, for half a second.
  process.env.TEST_COMPILE_CACHE = folder;
  const env = { ...process.env, NODE_COMPILE_CACHE: folder, PORT: 'none' };
  const run = (...args) => once(spawn(process.execPath, args, { env, stdio: 'ignore' }), 'exit');
  const [code] = await run('--input-type=module', '--eval', "import './dist/server.js'; process.exit()");
  if (code !== 0) throw new Error('the built server could not be loaded');
  await run('dist/bundled/main.js');
}

/** Migrates one database, so that the others need not: 0.2 s for each of about 200. */
async function makeTemplate(serverUrl) {
  const client = new pg.Client(serverUrl);
  const { user, password } = client;
  await client.connect();
  await client.query(`create database ${TEMPLATE.database}`);
  // The password's hash is computed again for each of thousands of sessions.
  await client.query(`set scram_iterations = 1; alter user ${user} password ${client.escapeLiteral(password)}`);
  await client.end();
  const url = Object.assign(new URL(serverUrl), { pathname: `/${TEMPLATE.database}` }).href;
  const declared = await declaredResources({});
  await migrate(migrationOptions(url), url, { prefix: TEMPLATE.queuePrefix }, (client) =>
    applyResources(client, declared),
  );
  process.env.TEST_TEMPLATE = JSON.stringify(TEMPLATE);
}
