import type { Client } from 'pg';
import type { Definition } from './definitions/definition.js';
import { Definitions } from './definitions/definitions.js';
import { describeFaults, type FileFault, readResourceFiles } from './definitions/resource-files.js';
import type { Config } from './settings/config.js';
import { plainResources, resources } from './resources.js';
import { MirrorTables } from './sync/tables/mirror-table.js';
import { type Applying, applySchema, plannedChanges } from './sync/schema/apply-schema.js';
import type { SchemaChange } from './sync/schema/table-plan.js';

/** Files of definitions are wrong. The message names every fault. */
export class ResourceFilesError extends Error {
  constructor(readonly faults: FileFault[]) {
    const lines = describeFaults(faults).map((line) => `  - ${line}`);
    super(`The files of resources are wrong:\n${lines.join('\n')}`);
  }
}

/** Those that come along. */
const bundled = [...resources.map(({ definition }) => definition), ...plainResources];

/**
 * The resources whose tables are made from their definitions: our own of that kind, and those that an installation declares in its
 * files. @throws ResourceFilesError
 */
export async function declaredResources({ RESOURCES_DIR }: Pick<Config, 'RESOURCES_DIR'>): Promise<Definition[]> {
  const { definitions, faults } = await readResourceFiles(RESOURCES_DIR ?? null, bundled);
  if (faults.length > 0) throw new ResourceFilesError(faults);
  return [...plainResources, ...definitions];
}

/** The names of all resources, also beside files with faults. */
export async function resourceNames({ RESOURCES_DIR }: Pick<Config, 'RESOURCES_DIR'>): Promise<string[]> {
  const { definitions } = await readResourceFiles(RESOURCES_DIR ?? null, bundled);
  return [...bundled, ...definitions].map(({ name }) => name);
}

/** Brings the tables of declared resources up to date, under the lock of the migrations. @throws WouldLose */
export async function applyResources(
  client: Client,
  declared: readonly Definition[],
  how: Applying = 'at start',
): Promise<SchemaChange[]> {
  return applySchema(client, tablesOf(declared), how);
}

/** What {@link applyResources} would change. */
export async function changesOfResources(client: Client, declared: readonly Definition[]): Promise<SchemaChange[]> {
  return plannedChanges(client, tablesOf(declared));
}

/**
 * For servers that do not apply definitions themselves: of another one than was applied they would do no jobs. Missing
 * indexes are no reason, as without them lists are only slow, and neither is what nobody needs any more.
 * @throws Error that names what is to be applied
 */
export async function refuseUnlessApplied(client: Client, declared: readonly Definition[]): Promise<void> {
  const missing = (await changesOfResources(client, declared)).filter(
    ({ step }) => step !== 'indexes' && step !== 'cleanup',
  );
  if (missing.length === 0) return;
  const lines = missing.map(({ resource, what }) => `  - ${resource}: ${what}`);
  throw new Error(
    `The database does not have these resources, and MIGRATIONS=skip: run \`npm run cli -- resources apply\` as its owner first.\n${lines.join('\n')}`,
  );
}

/** The tables of all resources, the bundled ones too. */
export function tablesOf(declared: readonly Definition[]): MirrorTables {
  return new MirrorTables(new Definitions([...resources.map(({ definition }) => definition), ...declared]));
}
