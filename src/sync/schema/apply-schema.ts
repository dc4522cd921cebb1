import type { Client } from 'pg';
import { setTimeout as delay } from 'node:timers/promises';
import { literal } from '../../database/database.js';
import { sqlState } from '../../database/outage.js';
import type { MirrorTable, MirrorTables } from '../tables/mirror-table.js';
import { schemaChanges, storeAway, storeShape } from './schema-changes.js';
import type { SchemaChange, StoredShape } from './table-plan.js';

/** Changes of a table wait so long for its readers and writers, who wait behind them meanwhile; then they try again. */
const LOCK_TIMEOUT_MS = 1_000;
const MAX_TRIES = 60;
const PAUSE_MS = 1_000;

/** PostgreSQL's `lock_not_available` and `deadlock_detected`: whichever a wait of a second ends with. */
const LOCKED = ['55P03', '40P01'];

/** Applying the definitions would lose something, which nobody has allowed. */
export class WouldLose extends Error {
  constructor(readonly changes: SchemaChange[]) {
    const lines = changes.map(({ resource, what }) => `  - ${resource}: ${what}`);
    super(
      `The definitions of resources would lose what is stored:\n${lines.join('\n')}\n` +
        'Nothing was changed. If that is meant: npm run cli -- resources apply --allow-loss',
    );
  }
}

/** A start would have to write a table anew, for which its users would wait. */
class WouldRewrite extends Error {
  constructor(readonly changes: SchemaChange[]) {
    const lines = changes.map(({ resource, what }) => `  - ${resource}: ${what}`);
    super(
      `A start does not write tables anew, as the definitions of resources want:\n${lines.join('\n')}\n` +
        'Nothing was changed, and nothing would be lost: npm run cli -- resources apply',
    );
  }
}

/** A start only adds. Told to, we also drop what nobody needs any more, or even what is lost with it. */
export type Applying = 'at start' | 'without loss' | 'with loss';

/** What is different between the declared resources and the database. Only reads. */
export async function plannedChanges(client: Client, tables: MirrorTables): Promise<SchemaChange[]> {
  return schemaChanges(client, tables.all, await storedShapes(client));
}

/**
 * Brings the tables of the declared resources to their definitions. To be called under the migrations' lock. What takes a
 * lock on a table waits for it a second at a time; indexes are made while jobs go on writing.
 * @throws WouldLose, WouldRewrite before anything is changed
 */
export async function applySchema(client: Client, tables: MirrorTables, how: Applying): Promise<SchemaChange[]> {
  const changes = await plannedChanges(client, tables);
  const losing = changes.filter(({ loses }) => loses);
  if (losing.length > 0 && how !== 'with loss') throw new WouldLose(losing);
  const rewriting = changes.filter(({ rewrites }) => rewrites);
  if (rewriting.length > 0 && how === 'at start') throw new WouldRewrite(rewriting);
  // What nobody needs any more stays at a start: servers that were not restarted yet may need it.
  const later = how === 'at start' ? ['indexes', 'cleanup'] : ['indexes'];
  const atOnce = changes.filter(({ step }) => !later.includes(step));
  const mirrors = declared(tables);
  const lost = [...new Set(losing.map(({ resource }) => resource))];
  await inTransaction(client, [
    ...atOnce.flatMap(({ sql }) => sql),
    ...lost.flatMap(forgetContent),
    ...mirrors.map(storeShape),
    // Nothing that began before can still be applied: it would be by other definitions than those stored now.
    ...lost.flatMap(endLogs),
    storeAway(mirrors),
  ]);
  // Columns that were dropped have taken indexes with them.
  const indexes = (await plannedChanges(client, tables)).filter(({ step }) => step === 'indexes');
  // oxlint-disable-next-line no-await-in-loop -- over indexes
  for (const statement of indexes.flatMap(({ sql }) => sql)) await client.query(statement);
  return changes;
}

/** The same bytes are to be read again: what they brought is lost. */
function forgetContent(resource: string): string[] {
  return ['mirror_state', 'sync_job'].map(
    (table) => `update ${table} set content = null where resource = ${literal(resource)} and content is not null`,
  );
}

/**
 * What was logged does not tell what was lost, and could not be put back: followers of the feed have to read the lists again,
 * and history begins anew. The number that no commit has makes the last cursor one to what is gone.
 */
function endLogs(resource: string): string[] {
  const sources = `select source_id from mirror_state where resource = ${literal(resource)}`;
  return [
    `update resource_definition set lost_at = clock_timestamp() where name = ${literal(resource)}`,
    `delete from planned_change p using sync_job job
      where job.resource = ${literal(resource)} and p.source_id = job.source_id and p.job_id = job.id`,
    `delete from mirror_commit where source_id in (${sources})`,
    `update source set last_commit = last_commit + 1 where id in (${sources})`,
  ];
}

function declared(tables: MirrorTables): MirrorTable[] {
  return tables.all.filter(({ isBundled }) => !isBundled);
}

async function inTransaction(client: Client, statements: string[]): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      await client.query('begin');
      await client.query(`set local lock_timeout = ${LOCK_TIMEOUT_MS}`);
      for (const statement of statements) await client.query(statement);
      await client.query('commit');
      return;
    } catch (error) {
      await client.query('rollback');
      if (!LOCKED.includes(sqlState(error) ?? '') || tries === MAX_TRIES) throw error;
      await delay(PAUSE_MS);
    }
  }
}

/** The definitions that were applied last, by name, those without a file too. */
export async function storedShapes(client: Client): Promise<Map<string, StoredShape>> {
  const { rows } = await client.query<StoredShape & { name: string }>(
    'select name, version, shape from resource_definition',
  );
  return new Map(rows.map((row) => [row.name, row]));
}
