import { declaredResources, tablesOf } from '../src/installation.js';
import { verifyMirror } from '../src/sync/verify/verify-mirror.js';
import type { Findings } from './findings.js';

/** `mirror verify`: links, totals and the feed of every resource must follow from the rows. */
export async function checkDerived(databaseUrl: string, resources: string, findings: Findings): Promise<void> {
  const tables = tablesOf(await declaredResources({ RESOURCES_DIR: resources }));
  const { faults } = await verifyMirror(databaseUrl, tables, { source: null, resource: null });
  for (const { source, resource, externalId, what } of faults) {
    findings.add('mirror verify', `${source} ${resource} ${externalId ?? ''}: ${what}`);
  }
}
