import { ServerProcess } from '../test/setup/server-process.js';
import { rawCopy, walPosition } from './database.js';
import { JobLog } from './job-log.js';
import { allPhases } from './measured.js';
import { type PageTimes, readPages } from './pages.js';
import { Sender } from './sender.js';

/** What is sent, in this order, and which file. Nobody vacuums, analyzes or makes a checkpoint between two of them. */
export const STEPS = [
  { name: 'patients', path: '/patients', file: 'patients.json' },
  { name: 'first load', path: '/payments', file: 'base.json' },
  { name: 'other order', path: '/payments', file: 'reversed.json' },
  { name: 'same bytes', path: '/payments', file: 'reversed.json' },
  { name: 'delta of 2 %', path: '/payments', file: 'delta.json' },
] as const;
export type StepName = (typeof STEPS)[number]['name'];

/** A step's seconds: from the first byte of the POST to its 202, to `completed`, and by phase. */
export interface StepTimes {
  ack: number;
  total: number;
  phases: Record<string, number>;
  /** Rows read, checked and staged. */
  received: number;
  /** Bytes of WAL from the 202 to `completed`, of whoever wrote it. */
  walBytes: number;
  /** Right after the step, if asked for. */
  pages: PageTimes | null;
}

/** All figures of one round. */
export interface Round {
  /** Seconds. */
  raw: number;
  steps: Record<StepName, StepTimes>;
  pages: PageTimes;
  peakMemoryBytes: number;
}

/** A PostgreSQL for one round, with an empty database for RAW and another for the product. */
export interface RoundPlan {
  /** The product's settings that name its database. */
  environment: Record<string, string | undefined>;
  /** The databases' URLs, once the product is running. */
  open: () => Promise<{ product: string; raw: string }>;
  /** Where the files to be sent are. */
  folder: string;
  rawFirst: boolean;
  pagesAfterEachStep: boolean;
}

/** One round: the product starts and makes its tables, then come the steps and the pages, and RAW before or after all that. */
export async function runRound(plan: RoundPlan): Promise<Round> {
  const log = new JobLog();
  const environment = { PORT: '0', REDIS_URL: undefined, LOG_LEVEL: undefined, ...plan.environment };
  const server = await ServerProcess.start(environment, { log });
  try {
    const { product, raw } = await plan.open();
    const file = (name: string) => `${plan.folder}/${name}`;
    const measureRaw = () => rawCopy(raw, { patients: file('patients.copy'), payments: file('payments.copy') });
    const before = plan.rawFirst ? await measureRaw() : null;
    const steps = {} as Record<StepName, StepTimes>;
    for (const { name, path, file: sent } of STEPS) {
      let walBytes = 0;
      const load = await new Sender(server.url).load(path, file(sent), async () => {
        walBytes = -(await walPosition(product));
      });
      walBytes += await walPosition(product);
      const pages = plan.pagesAfterEachStep ? await readPages(server.url) : null;
      const phases = allPhases(load, await log.phasesOf(load.jobId));
      const { ack, total, counts } = load;
      steps[name] = { ack, total, phases, received: counts['received'] ?? 0, walBytes, pages };
    }
    const pages = await readPages(server.url);
    const peakMemoryBytes = server.peakMemory();
    return { raw: before ?? (await measureRaw()), steps, pages, peakMemoryBytes };
  } finally {
    await server.stop();
  }
}
