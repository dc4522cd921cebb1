import { appendFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ResourceName } from '../test/contract/mirror-model.js';
import { Bank } from './bank.js';
import { Callers } from './callers.js';
import { Database } from './database.js';
import { SeededRandom } from './seeded-random.js';
import { Faults } from './faults.js';
import { Findings } from './findings.js';
import { freePorts } from './free-ports.js';
import { checkInvariants } from './invariants.js';
import { checkDerived } from './verify-check.js';
import { GUARD_SETTINGS, JobCheck } from './job-check.js';
import { Ledger, type Line } from './ledger.js';
import { Member, type Role } from './member.js';
import { checkMirror } from './mirror-check.js';
import { Operator } from './operator.js';
import { type QueueBackend, queueInPostgres, queueInRedis } from './queue-backends.js';
import { RecoveryWatch } from './recovery-watch.js';
import type { Outcome } from './report.js';
import { Submitter, type RunContext } from './submitter.js';
import { TornReadReader } from './torn-read-reader.js';
import { Availability } from './availability.js';

/** The options of a run. */
export interface RunOptions {
  minutes: number;
  seed: number;
  backend: 'postgresql' | 'redis';
}

const ROLES: Role[] = ['api', 'api', 'worker', 'worker'];

/** Senders of each line (source and resource): one, or two that do not know of each other. */
const MARKED = 'marked';
const RANDOM: Record<string, Partial<Record<ResourceName, number>>> = {
  alone: { patients: 1, payments: 1, doctors: 1, visits: 1 },
  another: { patients: 1, payments: 1 },
  crowded: { patients: 2, payments: 2, doctors: 1, visits: 2 },
};

/** The files of the resources that are declared. */
const RESOURCES_DIR = resolve('chaos/resources');

/** All accepted jobs must have ended this long after the last fault. */
const REST_LIMIT_MS = 180_000;

/** One run: the server's processes, their users, the faults, and the checks. */
export class ChaosRun {
  private readonly availability = new Availability();
  private readonly findings: Findings;
  private readonly ledger = new Ledger();
  private readonly random: SeededRandom;
  private readonly members: Member[] = [];
  private database!: Database;
  private queue!: QueueBackend;
  private watch!: RecoveryWatch;
  private callers!: Callers;
  private bank!: Bank;

  constructor(
    private readonly options: RunOptions,
    private readonly folder: string,
    log: (line: string) => void,
  ) {
    this.random = new SeededRandom(options.seed);
    this.findings = new Findings((line) => {
      log(line);
      this.note(line);
    });
  }

  /** Writes the time of an event to `events.log`, beside the logs of the processes. */
  private readonly note = (event: string): void => {
    appendFileSync(join(this.folder, 'events.log'), `${new Date().toISOString()} ${event}\n`);
  };

  /** Runs, waits until all jobs have ended, and checks everything. */
  async run(): Promise<{ outcome: Outcome; findings: Findings }> {
    await this.start();
    const { random, members, findings, watch, availability } = this;
    const [over, finished] = [new AbortController(), new AbortController()];
    const context: RunContext = {
      callers: this.callers,
      ledger: this.ledger,
      findings,
      unfinished: (line) => watch.unfinished(line),
      over: over.signal,
    };
    const reader = new TornReadReader(MARKED, this.callers, findings);
    const operator = new Operator(Object.keys(RANDOM), random.named('operator'), context);
    const faults = new Faults(members, this.database, this.queue, { availability, watch, findings, note: this.note });
    const watching = Promise.all([watch.run(finished.signal), reader.run(finished.signal)]);
    const limit = delay(this.options.minutes * 60_000).then(() => over.abort());
    const actors = [
      ...this.submitters(context).map((submitter) => submitter.run()),
      operator.run(),
      this.bank.run(over.signal),
    ];
    await Promise.all([limit, faults.run(random.named('faults'), over.signal), ...actors]);
    await this.waitForJobs(operator);
    finished.abort();
    await watching;
    return { outcome: await this.check(faults, reader), findings };
  }

  /** Stops everything that was started, also after a failed start. */
  async stop(): Promise<void> {
    await Promise.all(this.members.map((member) => member.stopForGood()));
    await this.bank?.close();
    await this.queue?.close();
    await this.database?.stop();
  }

  private async start(): Promise<void> {
    const { availability, options, folder } = this;
    this.database = await Database.start(folder, availability);
    this.queue =
      options.backend === 'redis' ? await queueInRedis(availability) : queueInPostgres(this.database, availability);
    this.watch = new RecoveryWatch(this.database.url, availability, this.findings, this.note);
    const ports = await freePorts(ROLES.length, new SeededRandom(process.pid));
    for (const [place, role] of ROLES.entries()) {
      const settings = { ...this.settings(), ROLE: role, PORT: String(ports[place]) };
      this.members.push(new Member(`${role}-${place}`, role, settings, folder, availability, this.findings));
    }
    const urls = ports.slice(0, ROLES.lastIndexOf('api') + 1).map((port) => `http://127.0.0.1:${port}`);
    this.callers = new Callers(urls, this.random.named('callers'), this.findings);
    this.bank = await Bank.open(folder, options.seed, this.callers, this.findings);
    await Promise.all(this.members.map((member) => member.start()));
  }

  /** As in an installation, except for the attempts: no installation has a fault every few seconds. */
  private settings(): Record<string, string> {
    return {
      ...this.queue.settings,
      ...GUARD_SETTINGS,
      DATABASE_URL: this.database.url,
      RESOURCES_DIR,
      WORKER_CONCURRENCY: '8',
      // About half of the snapshots are worked on in one transaction, the others in several.
      SHORT_JOB_BYTES: '50000',
      MAX_ATTEMPTS: '100',
      HOST: '127.0.0.1',
      LOG_LEVEL: 'warn',
      // All callers have one address and send more requests than one address may.
      RATE_LIMIT_PER_MINUTE: '0',
    };
  }

  private submitters(context: RunContext): Submitter[] {
    const submitter = (name: string, line: Line, kind: 'marked' | 'random') =>
      new Submitter(name, line, kind, this.random.named(name), context);
    const marked = (['patients', 'payments'] as const).map((resource) =>
      submitter(`${MARKED}-${resource}`, { source: MARKED, resource }, 'marked'),
    );
    const random = Object.entries(RANDOM).flatMap(([source, lines]) =>
      (Object.entries(lines) as [ResourceName, number][]).flatMap(([resource, senders]) =>
        Array.from({ length: senders }, (_, place) =>
          submitter(`${source}-${resource}-${place}`, { source, resource }, 'random'),
        ),
      ),
    );
    return [...marked, ...random];
  }

  private async waitForJobs(operator: Operator): Promise<void> {
    for (const deadline = Date.now() + REST_LIMIT_MS; Date.now() < deadline; await delay(200)) {
      await operator.clear();
      const unfinished = await this.database.query('select 1 from sync_job where finished_at is null limit 1');
      if (unfinished.length === 0) return;
    }
    this.findings.add('unfinished jobs', `jobs are unfinished ${REST_LIMIT_MS / 1000} s after the last fault`);
  }

  private async check(faults: Faults, reader: TornReadReader): Promise<Outcome> {
    const jobs = new JobCheck(this.ledger, this.findings);
    await jobs.run(this.database);
    let rowsCompared = 0;
    for (const source of [MARKED, ...Object.keys(RANDOM)]) {
      rowsCompared += await checkMirror(source, jobs.modelOf(source), this.callers, this.findings);
    }
    const leftovers = await checkInvariants(this.database, jobs.models, this.ledger, this.findings);
    await checkDerived(this.database.url, RESOURCES_DIR, this.findings);
    const balancesCompared = await this.bank.check(this.database.url);
    const { idle, overtaken, times } = this.watch;
    return {
      ...this.options,
      accepted: this.ledger.accepted.size,
      repeated: this.ledger.repeated,
      aborted: this.ledger.aborted,
      unanswered: this.callers.unanswered,
      jobs: { ...jobs.byStatus, approved: jobs.approved },
      faults: Object.fromEntries(faults.byKind),
      recoveries: Object.fromEntries(times),
      idle,
      overtaken,
      stops: faults.stops,
      failedStarts: this.members.reduce((sum, { failedStarts }) => sum + failedStarts, 0),
      reads: reader.reads,
      rowsCompared,
      pulls: this.bank.pulls,
      balancesCompared,
      leftovers,
    };
  }
}
