import type { EntityManager } from '@mikro-orm/postgresql';
import { Inject, Injectable } from '@nestjs/common';
import { readBound } from '../../definitions/bounds.js';
import { Fault } from '../../definitions/column-types.js';
import type { RecordRules } from '../../definitions/definition.js';
import type { Window } from '../../definitions/window.js';
import { CONFIG, type Config } from '../../settings/config.js';
import { copyField, copyInto } from '../../database/database.js';
import { Refusal } from '../../http/refusal.js';
import { repeatedNames } from '../../values/repeated-names.js';
import { atStep } from '../../runtime/steps.js';
import { SnapshotStore } from '../snapshots/snapshot-store.js';
import { type Snapshot } from '../snapshots/snapshot.entity.js';
import { JobLeases } from '../leases/job-leases.js';
import { type JobWarning, UNKNOWN_FIELD } from '../model/job-outcome.js';
import type { Lease } from '../leases/lease.js';
import type { SyncJob } from '../model/sync-job.entity.js';
import { type MirrorTable, MirrorTables } from '../tables/mirror-table.js';
import { createStagingTable, stagingTable } from '../staging/staging-table.js';
import { clearEarlierAttempt } from '../staging/clear-attempt.js';
import { copyErrors, type RecordError } from '../staging/record-errors.js';
import { recordLimits } from '../bytes/read-limits.js';
import { RecordCheck } from './record-check.js';
import { SnapshotFault } from '../bytes/snapshot-fault.js';
import { type RecordBatch, readRecords, type SnapshotFormat } from './read-records.js';

/**
 * A batch is committed after so many records or bytes, whichever comes first. 50,000 rows cost about 60 ms: few enough
 * commits not to show, often enough for a progress that moves; the bytes bound what rejected records may hold.
 */
const BATCH_RECORDS = 50_000;
const BATCH_BYTES = 8 * 1024 ** 2;

/** How far staging brings the job's percentage; the rest is the reconciliation's. */
const STAGED_PERCENT = 60;

/** Runs one unit of work for a job: a transaction of its own, or a part of one. */
type RunUnit = <T>(work: (em: EntityManager, job: SyncJob) => Promise<T>) => Promise<T>;

/** Reads a job's snapshot, checks its records, and fills the job's staging table and errors, batch by batch. */
@Injectable()
export class Stager {
  constructor(
    private readonly leases: JobLeases,
    private readonly store: SnapshotStore,
    private readonly tables: MirrorTables,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /**
   * @throws SnapshotFault if the snapshot is no well-formed document
   * @throws LeaseLost if the job was taken over or cancelled meanwhile
   */
  async stage(lease: Lease, snapshot: Snapshot, rules: RecordRules): Promise<void> {
    await this.stageIn((work) => this.leases.underLease(lease, work), snapshot, rules);
  }

  /** The same within a transaction, so that others do not see how far it is. @throws SnapshotFault */
  async stageWithin(em: EntityManager, job: SyncJob, snapshot: Snapshot, rules: RecordRules): Promise<void> {
    await this.stageIn((work) => work(em, job), snapshot, rules);
  }

  /** @param unit runs a unit of work */
  private async stageIn(unit: RunUnit, snapshot: Snapshot, rules: RecordRules): Promise<void> {
    const { definition, window, isBundled } = await unit((em, job) => this.begin(em, job));
    atStep('staging begun');
    const check = new RecordCheck(definition, rules, snapshot.format === 'csv', window);
    const source = readRecords(snapshot.format as SnapshotFormat, this.store.read(snapshot), recordLimits(this.config));
    const batches = source[Symbol.asyncIterator]();
    try {
      let more = true;
      while (more) {
        more = await unit(async (em, job) => {
          const batch = new StagedBatch(batches, check, !isBundled);
          await copyInto(em, `copy ${stagingTable(job)} from stdin`, batch.rows());
          if (batch.errors.length > 0) await copyErrors(em, job, batch.errors);
          job.processed += batch.records;
          if (job.processed > this.config.MAX_RECORDS) throw tooManyRecords(this.config.MAX_RECORDS);
          job.staged += batch.staged;
          job.rejected += batch.errors.length;
          job.percent = Math.min(
            STAGED_PERCENT,
            Math.floor((STAGED_PERCENT * batch.bytesRead) / snapshot.inflatedBytes),
          );
          if (!batch.more) job.warnings = warningsOf(check);
          return batch.more;
        });
        atStep('batch staged');
      }
    } finally {
      await batches.return?.(undefined);
    }
    atStep('all staged');
  }

  /** The rules as they are now: one set for the whole of a job. */
  rules(): RecordRules {
    return { futureBirthDates: this.config.FUTURE_BIRTH_DATES, today: new Date().toISOString().slice(0, 10) };
  }

  /** Clears what an earlier attempt has left. */
  private async begin(
    em: EntityManager,
    job: SyncJob,
  ): Promise<Pick<MirrorTable, 'definition' | 'isBundled'> & { window: Window | null }> {
    await clearEarlierAttempt(em, job);
    const mirror = this.tables.of(job.resource);
    refuseOtherWindow(job, mirror);
    await createStagingTable(em, job, mirror);
    Object.assign(job, { phase: 'staging', processed: 0, staged: 0, rejected: 0, percent: 0, warnings: [] });
    return { definition: mirror.definition, isBundled: mirror.isBundled, window: job.window() };
  }
}

/** @throws Refusal if the snapshot speaks for a range of another field than the resource's window is now, or of another type */
function refuseOtherWindow(job: SyncJob, { definition }: MirrorTable): void {
  const { windowField } = job;
  if (windowField === null) return;
  const window = job.window();
  const type = definition.fields.find(({ name }) => name === windowField)?.type;
  const isRange =
    type !== undefined &&
    window !== null &&
    [window.from, window.to].every((bound) => !(readBound(type, bound) instanceof Fault));
  if (windowField === definition.window && isRange) return;
  const detail = `The snapshot speaks for a range of ${windowField}, which is not the window of ${definition.name} any more.`;
  throw new Refusal(409, 'window_changed', detail);
}

/** The part of a snapshot that one unit of work takes: rows for COPY as they are drawn, and the errors among them. */
class StagedBatch {
  readonly errors: RecordError[] = [];
  records = 0;
  staged = 0;
  bytesRead = 0;
  more = true;

  constructor(
    private readonly batches: AsyncIterator<RecordBatch>,
    private readonly check: RecordCheck,
    /** Not for the resources that come along, which are the largest: it would take a fifth longer to read their bytes. */
    private readonly looksForRepeatedNames: boolean,
  ) {}

  async *rows(): AsyncGenerator<string> {
    let start: number | null = null;
    for (;;) {
      const next = await this.batches.next();
      if (next.done) {
        this.more = false;
        return;
      }
      start ??= next.value.bytesRead;
      this.bytesRead = next.value.bytesRead;
      const text = this.encode(next.value);
      if (text !== '') yield text;
      if (this.records >= BATCH_RECORDS || this.bytesRead - start >= BATCH_BYTES) return;
    }
  }

  private encode(batch: RecordBatch): string {
    let text = '';
    const repeated =
      batch.text !== null && this.looksForRepeatedNames ? repeatedNames(batch.text, batch.records) : null;
    for (const [offset, record] of batch.records.entries()) {
      const index = batch.firstIndex + offset;
      const result = this.check.check(record, repeated?.get(offset));
      if (result.valid) {
        text += `${index}\tf\t${copyField(result.externalId)}`;
        for (const value of result.values) text += `\t${copyField(value)}`;
        text += '\n';
        this.staged += 1;
      } else {
        const { externalId, code, errors } = result;
        this.errors.push({ index, externalId, code, errors, data: record });
        // Flagged, so that its stored row does not count as missing.
        if (externalId !== null) {
          text += `${index}\tt\t${copyField(externalId)}${'\t\\N'.repeat(this.check.columnCount)}\n`;
          this.staged += 1;
        }
      }
    }
    this.records += batch.records.length;
    return text;
  }
}

function tooManyRecords(most: number): SnapshotFault {
  const detail = `A snapshot may have at most ${most} records.`;
  return new SnapshotFault('too_many_records', detail, { line: null, byteOffset: null, record: most });
}

function warningsOf(check: RecordCheck): JobWarning[] {
  return [...check.unknownFields].map(([name, count]) => ({
    code: UNKNOWN_FIELD,
    detail: `The field "${name}" is not known here and was ignored in ${count} ${count === 1 ? 'record' : 'records'}.`,
    field: name,
    count,
  }));
}
