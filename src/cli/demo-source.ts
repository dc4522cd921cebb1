import { createHash } from 'node:crypto';
import type { ApiClient } from './api-client.js';
import { DEMO_CLAIM } from './demo-claim.js';
import type { Job } from './jobs-api.js';
import { submitSnapshot, watchJob } from './jobs-api.js';
import { inMemory, readSample, SAMPLES } from './samples.js';
import type { Terminal } from './terminal.js';

/** The demo's source if the default source holds the user's own data. */
const OWN_SOURCE = 'demo';

/** What the demo sends: rows that hang on others before those. */
const RESOURCES = ['appointments', 'payments', 'patients'];

/** One page. A source with more jobs than this has some that are not from the demo. */
const MAX_JOBS = 1_000;

/**
 * Chooses the source that the demo writes to. Usually it is the default source, so that the reader needs no header to see
 * the data. But a full snapshot deletes what it does not contain, so if anything else has ever been sent there, the demo
 * uses a source of its own. Records of an earlier demo are deleted first, so that every run is the same.
 * @param declared whether the demo's own resource is there
 * @returns the source's name, or null for the default one
 */
export async function chooseDemoSource(api: ApiClient, terminal: Terminal, declared: boolean): Promise<string | null> {
  const resources = RESOURCES.slice(declared ? 0 : 1);
  const before = await historyOf(api, resources);
  if (before !== 'own records') {
    if (before === 'demos') await empty(api, terminal, resources);
    return null;
  }
  terminal.line(`The default source holds records of yours: the demo uses a source of its own, "${OWN_SOURCE}".`);
  const own = api.forSource(OWN_SOURCE);
  if ((await historyOf(own, resources)) !== 'nothing') await empty(own, terminal, resources);
  return OWN_SOURCE;
}

/** What has been sent to a source so far: nothing, only demos, or records of the user. */
async function historyOf(api: ApiClient, resources: string[]): Promise<'nothing' | 'demos' | 'own records'> {
  const claims = await api.get<{ items: { externalClaimId: string | null }[] }>('/claims?limit=2');
  if (claims.items.some(({ externalClaimId }) => externalClaimId !== DEMO_CLAIM)) return 'own records';
  const ours = await ownSnapshots();
  let jobs = 0;
  for (const resource of resources) {
    const path = `/sync/jobs?resource=${resource}&limit=${MAX_JOBS}`;
    const { items, nextCursor } = await api.get<{ items: Job[]; nextCursor: string | null }>(path);
    const isOurs = items.every((job) => job.dryRun || ours.has(job.snapshot?.sha256 ?? ''));
    if (nextCursor !== null || !isOurs) return 'own records';
    jobs += items.length;
  }
  return jobs > 0 ? 'demos' : 'nothing';
}

/** The digests of all snapshots that the demo sends, except for its dry run. */
async function ownSnapshots(): Promise<Set<string>> {
  const samples = await Promise.all(SAMPLES.map((name) => readSample(name)));
  return new Set([...samples, '[]'].map((text) => createHash('sha256').update(text).digest('hex')));
}

async function empty(api: ApiClient, terminal: Terminal, resources: string[]): Promise<void> {
  terminal.line(terminal.style('dim', 'Emptying what an earlier demo left …'));
  for (const resource of resources) {
    const { id } = await submitSnapshot(api, resource, inMemory('[]'), { deletes: 'apply' });
    await watchJob(api, id);
  }
}
