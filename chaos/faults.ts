import { setTimeout as delay } from 'node:timers/promises';
import type { Database } from './database.js';
import type { SeededRandom } from './seeded-random.js';
import type { Findings } from './findings.js';
import type { Member } from './member.js';
import type { QueueBackend } from './queue-backends.js';
import type { RecoveryWatch } from './recovery-watch.js';
import type { Availability } from './availability.js';

/** Milliseconds between two faults of processes, and of services, at least and at most. */
const PROCESS_PAUSE = [1_500, 6_000] as const;
const SERVICE_PAUSE = [2_000, 9_000] as const;

const LONGEST_PAUSE_MS = 12_000;
const LONGEST_CUT_MS = 6_000;
const LONGEST_ABSENCE_MS = 2_000;

const PROCESS_FAULTS = { 'kill -9': 5, SIGTERM: 3, pause: 2 };
const SERVICE_FAULTS = {
  'database fast restart': 2,
  'database immediate restart': 1,
  'database kill -9': 1,
  'backends terminated': 4,
  'queue flush': 3,
  'queue cut': 2,
};

/** Causes faults of processes and of services at random, and has the watch measure how work recovers. */
export class Faults {
  readonly byKind = new Map<string, number>();
  /** Milliseconds that stops on SIGTERM took. */
  readonly stops: number[] = [];

  constructor(
    private readonly members: Member[],
    private readonly database: Database,
    private readonly queue: QueueBackend,
    private readonly context: {
      availability: Availability;
      watch: RecoveryWatch;
      findings: Findings;
      note: (event: string) => void;
    },
  ) {}

  /** Runs until `over`, and returns once everything is up again. */
  async run(random: SeededRandom, over: AbortSignal): Promise<void> {
    const [processes, services] = [random.named('processes'), random.named('services')];
    const restarts: Promise<void>[] = [];
    const breakProcesses = async () => {
      while (await pause(processes.between(...PROCESS_PAUSE), over)) restarts.push(this.breakOne(processes));
    };
    const breakServices = async () => {
      while (await pause(services.between(...SERVICE_PAUSE), over)) await this.breakService(services);
    };
    await Promise.all([breakProcesses(), breakServices()]);
    await Promise.all(restarts);
  }

  private async breakOne(random: SeededRandom): Promise<void> {
    const member = random.pick(this.members);
    const kind = random.weigh(PROCESS_FAULTS);
    const [pauseMs, absenceMs] = [random.between(1_000, LONGEST_PAUSE_MS), random.between(0, LONGEST_ABSENCE_MS)];
    if (member.isBusy || !member.isUp) return;
    member.isBusy = true;
    const name = `${kind} of ${member.role === 'api' ? 'an api' : 'a worker'}`;
    this.count(name);
    const { watch, availability, note } = this.context;
    note(`${kind} of ${member.name}`);
    if (kind === 'pause') {
      const pausing = member.pause(pauseMs);
      // Another worker can go on while this one is paused; if it is the last one, it has to wake up first.
      const isLast = availability.workers.size === 0;
      if (!isLast) watch.faultEnded(name);
      await pausing;
      if (isLast) watch.faultEnded(`${name}, the last one`);
    } else {
      await (kind === 'kill -9' ? member.kill() : this.terminate(member));
      // Another worker can go on at once; if it is the last one, it has to come back first.
      const isWorker = member.role === 'worker';
      const isLast = availability.workers.size === 0;
      if (isWorker && !isLast) watch.faultEnded(name);
      await delay(absenceMs);
      await member.start();
      if (isWorker && isLast) watch.faultEnded(`${name}, the last one`);
    }
    note(`${member.name} is back`);
    member.isBusy = false;
  }

  private async terminate(member: Member): Promise<void> {
    const tookMs = await member.terminate();
    this.stops.push(tookMs);
    this.context.note(`${member.name} has stopped after ${Math.round(tookMs)} ms`);
  }

  private async breakService(random: SeededRandom): Promise<void> {
    const kind = random.weigh(SERVICE_FAULTS);
    const cutMs = random.between(500, LONGEST_CUT_MS);
    const actions: Record<keyof typeof SERVICE_FAULTS, () => Promise<void>> = {
      'database fast restart': () => this.database.restart('fast'),
      'database immediate restart': () => this.database.restart('immediate'),
      'database kill -9': () => this.database.restart('kill'),
      'backends terminated': () => this.database.terminateSome(random),
      'queue flush': () => this.queue.flush(),
      'queue cut': () => this.queue.cut(cutMs),
    };
    const { note, watch } = this.context;
    try {
      note(kind);
      await actions[kind]();
      note(`${kind} is over`);
      this.count(kind);
      watch.faultEnded(kind);
    } catch (error) {
      // A flush that gets no lock in time has not happened; a database that does not come back is a finding.
      if (!kind.startsWith('queue')) this.context.findings.add('fault failed', `${kind}: ${(error as Error).message}`);
    }
  }

  private count(kind: string): void {
    this.byKind.set(kind, (this.byKind.get(kind) ?? 0) + 1);
  }
}

/** @returns false if the end came first */
async function pause(milliseconds: number, over: AbortSignal): Promise<boolean> {
  if (over.aborted) return false;
  await delay(milliseconds, undefined, { signal: over }).catch(() => undefined);
  return !over.aborted;
}
