import { createHash } from 'node:crypto';
import type { ApiClient } from './api-client.js';
import { DEMO_CLAIM } from './demo-claim.js';
import type { Job } from './jobs-api.js';
import { submitSnapshot, watchJob } from './jobs-api.js';
import { inMemory, readSample, SAMPLES } from './samples.js';
import type { Terminal } from './terminal.js';

/** Where the show plays if the default source holds something of the user's own. */
const OWN_SOURCE = 'demo';

const RESOURCES = ['payments', 'patients'];

/** One page: whoever has more jobs than this does not have them from the demo alone. */
const MAX_JOBS = 1_000;

/**
 * Chooses whose patients the demo sends. The default source's, so that the answers can be looked at without any
 * header; but a full snapshot deletes what is not in it, so if anything but the demo has ever been mirrored there, a
 * source of its own. What an earlier show left is emptied first, so that every show is the same.
 * @returns the source's name, or null for the default one
 */
export async function chooseDemoSource(api: ApiClient, terminal: Terminal): Promise<string | null> {
  const before = await historyOf(api);
  if (before !== 'own records') {
    if (before === 'shows') await empty(api, terminal);
    return null;
  }
  terminal.line(`The default source holds records of yours: the demo plays in a source of its own, "${OWN_SOURCE}".`);
  const own = api.forSource(OWN_SOURCE);
  if ((await historyOf(own)) !== 'nothing') await empty(own, terminal);
  return OWN_SOURCE;
}

/** What has been sent to a source so far: nothing, only shows of the demo, or something of the user's own. */
async function historyOf(api: ApiClient): Promise<'nothing' | 'shows' | 'own records'> {
  const claims = await api.get<{ items: { externalClaimId: string | null }[] }>('/claims?limit=2');
  if (claims.items.some(({ externalClaimId }) => externalClaimId !== DEMO_CLAIM)) return 'own records';
  const ours = await ownSnapshots();
  let jobs = 0;
  for (const resource of RESOURCES) {
    const path = `/sync/jobs?resource=${resource}&limit=${MAX_JOBS}`;
    const { items, nextCursor } = await api.get<{ items: Job[]; nextCursor: string | null }>(path);
    const isOurs = items.every((job) => job.dryRun || ours.has(job.snapshot?.sha256 ?? ''));
    if (nextCursor !== null || !isOurs) return 'own records';
    jobs += items.length;
  }
  return jobs > 0 ? 'shows' : 'nothing';
}

/** The digests of all that the demo ever sends for good. */
async function ownSnapshots(): Promise<Set<string>> {
  const samples = await Promise.all(SAMPLES.map((name) => readSample(name)));
  return new Set([...samples, '[]'].map((text) => createHash('sha256').update(text).digest('hex')));
}

async function empty(api: ApiClient, terminal: Terminal): Promise<void> {
  terminal.line(terminal.style('dim', 'Emptying what an earlier demo left …'));
  for (const resource of RESOURCES) {
    const { id } = await submitSnapshot(api, resource, inMemory('[]'), { deletes: 'apply' });
    await watchJob(api, id);
  }
}
