import { afterAll, beforeAll, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { PatientView } from '../../src/patients/patient.dto.js';
import type { PaymentView } from '../../src/payments/payment.dto.js';
import type { JobView } from '../../src/sync/jobs/job-view.js';
import { IS_EXHAUSTIVE } from '../setup/exhaustive.js';
import { startTestServer, type TestServer } from '../setup/test-server.js';
import {
  GUARD,
  MirrorModel,
  type ModelJob,
  type ModelRecord,
  money,
  type ResourceName,
  type SnapshotOptions,
} from './mirror-model.js';
import { type Command, story } from './model-commands.js';
import { Sender } from './sender.js';

/** The stories differ in each run; a failure prints its story and the seed. For more of them: `PROPERTY_RUNS=1000`. */
const RUNS = Number(process.env['PROPERTY_RUNS'] ?? (IS_EXHAUSTIVE ? 60 : 4));

/** A run takes two or three seconds. The rest of the limit is for shrinking a failing story. */
const LIMIT_MS = Math.max(60_000, RUNS * 5_000);

const UNFINISHED: string[] = ['queued', 'awaiting_approval'];

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer({ DELETE_GUARD_ROWS: GUARD.rows, DELETE_GUARD_PERCENT: GUARD.percent });
});

afterAll(() => server.close());

it(
  'jobs and mirror are as the contract says after any sequence of snapshots and decisions',
  async () => {
    const property = fc.asyncProperty(story, story, async (one, other) => {
      // At the same time, as sources do not affect each other.
      await Promise.all([new Stage(new Sender(server)).play(one), new Stage(new Sender(server)).play(other)]);
    });
    await fc.assert(property, { numRuns: RUNS, unbiased: true, interruptAfterTimeLimit: LIMIT_MS });
  },
  LIMIT_MS + 30_000,
);

/** The values of a row when it was last seen. */
interface Sighting {
  id: number;
  created: string;
  updated: string;
  changes: number;
}

/** One source, on the server and in the model. */
class Stage {
  private readonly model = new MirrorModel();
  private readonly ids = new Map<ModelJob, string>();
  private readonly checked = new Map<ModelJob, string>();
  private readonly sightings = new Map<string, Sighting>();

  constructor(private readonly sender: Sender) {}

  async play(commands: Command[]): Promise<void> {
    for (const command of commands) {
      await this.perform(command);
      for (const job of this.model.jobs) {
        if (this.checked.get(job) !== job.status) await this.checkJob(job);
      }
      await this.checkPatients();
      await this.checkPayments();
    }
  }

  private async perform(command: Command): Promise<void> {
    if (command.kind === 'submit') await this.submit(command.resource, command.records, command.options);
    else if (command.kind === 'decide') await this.decide(command);
    else {
      const job = this.model.jobs.at(-1 - command.ago);
      if (job && command.kind === 'replay') await this.replay(job);
      else if (job) await this.submit(job.resource, job.records, job);
    }
  }

  private async submit(resource: ResourceName, records: ModelRecord[], options: SnapshotOptions): Promise<void> {
    const { mode, deletes, dryRun } = options;
    const sent = records.map((record) => record.sent);
    const job = await this.sender.submit(resource, sent, `mode=${mode}&deletes=${deletes}&dryRun=${dryRun}`);
    this.ids.set(this.model.submit(resource, records, options), job.id);
  }

  private async replay(job: ModelJob): Promise<void> {
    const response = await this.sender.post(`/sync/jobs/${this.ids.get(job)}/replay`);
    const { id } = (await response.json()) as JobView;
    this.ids.set(this.model.submit(job.resource, job.records, job), id);
  }

  private async decide({ decision, pick, isUnfinished }: Command & { kind: 'decide' }): Promise<void> {
    const jobs = isUnfinished ? this.model.jobs.filter((job) => UNFINISHED.includes(job.status)) : this.model.jobs;
    const job = jobs[pick % jobs.length];
    if (!job) return;
    const mayBe = this.model.mayDecide(job, decision);
    const response = await this.sender.post(`/sync/jobs/${this.ids.get(job)}/${decision}`);
    expect(response.status).toBe(mayBe ? 200 : 409);
    if (mayBe) this.model.decide(job, decision);
  }

  private async checkJob(expected: ModelJob): Promise<void> {
    const ref = { id: this.ids.get(expected) ?? '' };
    const job = await (expected.status === 'queued' ? this.sender.job(ref) : this.sender.finished(ref));
    const { resource, mode, deletes, dryRun, status } = expected;
    expect(job).toMatchObject({ resource, mode, deletes, dryRun, status, error: null });
    const { received, created, updated, unchanged, rejected } = job.counts;
    expect(received).toBe(created + updated + unchanged + rejected);
    if (expected.status === 'completed') expect(job.counts).toEqual(expected.counts);
    if (expected.plan === null) expect(job.plan).toBeNull();
    else {
      const reason = expected.plan['held'] ? expect.stringMatching(/\w/) : null;
      expect(job.plan).toEqual({ ...expected.plan, reason });
    }
    const errors = (await this.sender.errors(ref)).map(({ index, externalId, code }) => ({ index, externalId, code }));
    expect(errors).toEqual((expected.errors ?? []).toSorted((a, b) => a.index - b.index));
    this.checked.set(expected, expected.status);
  }

  private async checkPatients(): Promise<void> {
    const expected = this.model.patients();
    const patients = await this.sender.list<PatientView>('patients');
    expect(
      patients.map(({ externalId, firstName, middleName, paymentsTotal, paymentsCount }) => {
        return { externalId, fields: JSON.stringify([firstName, middleName]), paymentsTotal, paymentsCount };
      }),
    ).toEqual(
      expected.map(({ externalId, fields, total, count }) => {
        return { externalId, fields, paymentsTotal: money(total), paymentsCount: count };
      }),
    );
    for (const [place, { changes }] of expected.entries()) this.checkTimes('patient', patients[place], changes);
  }

  private async checkPayments(): Promise<void> {
    const expected = this.model.payments();
    const payments = await this.sender.list<PaymentView>('payments');
    expect(payments.map(({ externalId, patientId, amount }) => ({ externalId, patientId, amount }))).toEqual(
      expected.map(({ externalId, parent, amount }) => ({ externalId, patientId: parent, amount: money(amount) })),
    );
    for (const [place, { changes }] of expected.entries()) this.checkTimes('payment', payments[place], changes);
  }

  /** A row keeps its id and the time of its creation; `updated` moves when its own fields do, and only then. */
  private checkTimes(kind: string, row: PatientView | PaymentView | undefined, changes: number): void {
    const { id, externalId, created, updated } = row as unknown as Sighting & { externalId: string };
    const last = this.sightings.get(`${kind} ${externalId}`);
    if (last) {
      expect({ externalId, id, created }).toEqual({ externalId, id: last.id, created: last.created });
      expect({ externalId, hasMoved: updated > last.updated }).toEqual({
        externalId,
        hasMoved: changes > last.changes,
      });
      if (changes === last.changes) expect(updated).toBe(last.updated);
    }
    this.sightings.set(`${kind} ${externalId}`, { id, created, updated, changes });
  }
}
