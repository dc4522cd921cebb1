import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Callers } from './callers.js';
import { Database } from './database.js';
import { Dice } from './dice.js';
import { Faults } from './faults.js';
import { Findings } from './findings.js';
import { freePorts } from './free-ports.js';
import { checkInvariants } from './invariants.js';
import { GUARD_SETTINGS, JobCheck } from './job-check.js';
import { Ledger, type Line } from './ledger.js';
import { Member, type Role } from './member.js';
import { checkMirror } from './mirror-check.js';
import { Operator } from './operator.js';
import { type QueueBackend, queueInPostgres, queueInRedis } from './queue-backends.js';
import { RecoveryWatch } from './recovery-watch.js';
import type { Outcome } from './report.js';
import { Submitter, type Surroundings } from './submitter.js';
import { TornReadReader } from './torn-read-reader.js';
import { World } from './world.js';

/** What is asked of a run. */
export interface RunOptions {
  minutes: number;
  seed: number;
  backend: 'postgresql' | 'redis';
}

const ROLES: Role[] = ['api', 'api', 'worker', 'worker'];

/** One line has one sender, or two that do not know of each other. */
const MARKED = 'marked';
const RANDOM: Record<string, number> = { alone: 1, another: 1, crowded: 2 };

/** After the last fault, all that was accepted comes to its end within this. */
const REST_LIMIT_MS = 180_000;

/** One run: the server's processes, those who use them, what breaks them, and who watches. */
export class ChaosRun {
  private readonly world = new World();
  private readonly findings: Findings;
  private readonly ledger = new Ledger();
  private readonly dice: Dice;
  private readonly members: Member[] = [];
  private database!: Database;
  private queue!: QueueBackend;
  private watch!: RecoveryWatch;
  private callers!: Callers;

  constructor(
    private readonly options: RunOptions,
    private readonly folder: string,
    log: (line: string) => void,
  ) {
    this.dice = new Dice(options.seed);
    this.findings = new Findings((line) => {
      log(line);
      this.note(line);
    });
  }

  /** What happened when, beside the logs of the processes. */
  private readonly note = (event: string): void => {
    appendFileSync(join(this.folder, 'events.log'), `${new Date().toISOString()} ${event}\n`);
  };

  /** Runs, waits until all rests, and checks everything. */
  async run(): Promise<{ outcome: Outcome; findings: Findings }> {
    await this.start();
    const { dice, members, findings, watch, world } = this;
    const [over, restful] = [new AbortController(), new AbortController()];
    const around: Surroundings = {
      callers: this.callers,
      ledger: this.ledger,
      findings,
      unfinished: (line) => watch.unfinished(line),
      over: over.signal,
    };
    const reader = new TornReadReader(MARKED, this.callers, findings);
    const operator = new Operator(Object.keys(RANDOM), dice.named('operator'), around);
    const faults = new Faults(members, this.database, this.queue, { world, watch, findings, note: this.note });
    const watching = Promise.all([watch.run(restful.signal), reader.run(restful.signal)]);
    const limit = delay(this.options.minutes * 60_000).then(() => over.abort());
    const actors = [...this.submitters(around).map((one) => one.run()), operator.run()];
    await Promise.all([limit, faults.run(dice.named('faults'), over.signal), ...actors]);
    await this.comeToRest(operator);
    restful.abort();
    await watching;
    return { outcome: await this.check(faults, reader), findings };
  }

  /** Ends all that was started, however far that came. */
  async stop(): Promise<void> {
    await Promise.all(this.members.map((member) => member.stopForGood()));
    await this.queue?.close();
    await this.database?.stop();
  }

  private async start(): Promise<void> {
    const { world, options, folder } = this;
    this.database = await Database.start(folder, world);
    this.queue = options.backend === 'redis' ? await queueInRedis(world) : queueInPostgres(this.database, world);
    this.watch = new RecoveryWatch(this.database.url, world, this.findings, this.note);
    const ports = await freePorts(ROLES.length, new Dice(process.pid));
    for (const [place, role] of ROLES.entries()) {
      const settings = { ...this.settings(), ROLE: role, PORT: String(ports[place]) };
      this.members.push(new Member(`${role}-${place}`, role, settings, folder, world, this.findings));
    }
    const urls = ports.slice(0, ROLES.lastIndexOf('api') + 1).map((port) => `http://127.0.0.1:${port}`);
    this.callers = new Callers(urls, this.dice.named('callers'), this.findings);
    await Promise.all(this.members.map((member) => member.start()));
  }

  /** As an installation would have them, but for attempts: what breaks here every few seconds breaks there never. */
  private settings(): Record<string, string> {
    return {
      ...this.queue.settings,
      ...GUARD_SETTINGS,
      DATABASE_URL: this.database.url,
      WORKER_CONCURRENCY: '8',
      MAX_ATTEMPTS: '100',
      HOST: '127.0.0.1',
      LOG_LEVEL: 'warn',
      // All callers come from one address, and ask more than one may.
      RATE_LIMIT_PER_MINUTE: '0',
    };
  }

  private submitters(around: Surroundings): Submitter[] {
    const resources: Line['resource'][] = ['patients', 'payments'];
    const submitter = (name: string, line: Line, kind: 'marked' | 'random') =>
      new Submitter(name, line, kind, this.dice.named(name), around);
    return resources.flatMap((resource) => [
      submitter(`${MARKED}-${resource}`, { source: MARKED, resource }, 'marked'),
      ...Object.entries(RANDOM).flatMap(([source, senders]) =>
        Array.from({ length: senders }, (_, place) =>
          submitter(`${source}-${resource}-${place}`, { source, resource }, 'random'),
        ),
      ),
    ]);
  }

  private async comeToRest(operator: Operator): Promise<void> {
    for (const deadline = Date.now() + REST_LIMIT_MS; Date.now() < deadline; await delay(200)) {
      await operator.clear();
      const unfinished = await this.database.query('select 1 from sync_job where finished_at is null limit 1');
      if (unfinished.length === 0) return;
    }
    this.findings.add('no rest', `jobs are unfinished ${REST_LIMIT_MS / 1000} s after the last fault`);
  }

  private async check(faults: Faults, reader: TornReadReader): Promise<Outcome> {
    const jobs = new JobCheck(this.ledger, this.findings);
    await jobs.run(this.database);
    let rowsCompared = 0;
    for (const source of [MARKED, ...Object.keys(RANDOM)]) {
      rowsCompared += await checkMirror(source, jobs.modelOf(source), this.callers, this.findings);
    }
    const leftovers = await checkInvariants(this.database, jobs.models, this.ledger, this.findings);
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
      leftovers,
    };
  }
}
