/**
 * The mirror of one source as the contract describes it, in memory and without any of the product's code: the result of
 * each job, and what callers must see after it.
 */

export type ResourceName = 'patients' | 'payments';

/** A record as it is sent, and its meaning. */
export type ModelRecord =
  | { sent: unknown; key: string; value: RowValue }
  /** Rejected; with its key if that can be read. */
  | { sent: unknown; key: string | null; value: null; code: 'invalid_record' | 'not_an_object' };

/** What is stored of a record. `fields` are the same for equal values in different spellings. */
export interface RowValue {
  fields: string;
  parent?: string;
  /** In ten-thousandths. */
  amount?: bigint;
}

export interface SnapshotOptions {
  mode: 'full' | 'partial';
  deletes: 'auto' | 'apply' | 'hold';
  dryRun: boolean;
}

interface Row {
  value: RowValue;
  isLive: boolean;
  /** Counts the changes of the row's own fields: `updated` moves when this does. */
  changes: number;
}

export interface ModelJob extends SnapshotOptions {
  resource: ResourceName;
  records: ModelRecord[];
  status: 'queued' | 'completed' | 'awaiting_approval' | 'cancelled' | 'rejected' | 'superseded';
  isApproved: boolean;
  counts: Record<string, number> | null;
  plan: Record<string, unknown> | null;
  errors: { index: number; externalId: string | null; code: string }[] | null;
}

export type Decision = 'approve' | 'reject' | 'cancel';

/** The guard as the model's server has it set. */
export const GUARD = { rows: 1, percent: 40 };

export class MirrorModel {
  readonly jobs: ModelJob[] = [];
  private readonly tables = { patients: new Map<string, Row>(), payments: new Map<string, Row>() };

  submit(resource: ResourceName, records: ModelRecord[], options: SnapshotOptions): ModelJob {
    const job: ModelJob = {
      mode: options.mode,
      deletes: options.deletes,
      dryRun: options.dryRun,
      resource,
      records,
      status: 'queued',
      isApproved: false,
      counts: null,
      plan: null,
      errors: null,
    };
    if (isFullAndReal(job)) {
      for (const older of this.unfinished(resource).filter(isFullAndReal)) older.status = 'superseded';
    }
    this.jobs.push(job);
    this.work(resource);
    return job;
  }

  mayDecide(job: ModelJob, decision: Decision): boolean {
    return job.status === 'awaiting_approval' || (decision === 'cancel' && job.status === 'queued');
  }

  decide(job: ModelJob, decision: Decision): void {
    if (decision === 'approve') {
      job.isApproved = true;
      this.run(job);
    } else job.status = decision === 'reject' ? 'rejected' : 'cancelled';
    this.work(job.resource);
  }

  /** What the list of patients shows. */
  patients(): { externalId: string; fields: string; count: number; total: bigint; changes: number }[] {
    const payments = Map.groupBy(this.live('payments'), ([, { value }]) => value.parent);
    return inOrder(this.live('patients')).map(([externalId, { value, changes }]) => {
      const own = payments.get(externalId) ?? [];
      const total = own.reduce((sum, [, payment]) => sum + (payment.value.amount ?? 0n), 0n);
      return { externalId, fields: value.fields, count: own.length, total, changes };
    });
  }

  /** What the list of payments shows. */
  payments(): { externalId: string; parent: string; amount: bigint; changes: number }[] {
    return inOrder(this.live('payments'))
      .filter(([, { value }]) => this.isLivePatient(value.parent))
      .map(([externalId, { value, changes }]) => {
        return { externalId, parent: value.parent ?? '', amount: value.amount ?? 0n, changes };
      });
  }

  /** Live payments that are hidden, as their patients are not in the mirror. */
  unresolved(): number {
    return this.live('payments').filter(([, { value }]) => !this.isLivePatient(value.parent)).length;
  }

  /** Runs the jobs that can run, in the order of acceptance. A held job blocks later ones, except dry runs. */
  private work(resource: ResourceName): void {
    let isHeld = false;
    for (const job of this.unfinished(resource)) {
      if (job.status === 'awaiting_approval') isHeld = true;
      else if (isHeld && !job.dryRun) return;
      else isHeld = this.run(job) || isHeld;
    }
  }

  /** @returns whether the guard holds the job now */
  private run(job: ModelJob): boolean {
    const table = this.tables[job.resource];
    const winners = new Map<string, { value: RowValue; index: number }>();
    const errors: NonNullable<ModelJob['errors']> = [];
    const mentioned = new Set<string>();
    for (const [index, { key, value, ...rest }] of job.records.entries()) {
      if (key !== null) mentioned.add(key);
      if (value === null) errors.push({ index, externalId: key, code: 'code' in rest ? rest.code : '' });
      else {
        const earlier = winners.get(key);
        if (earlier) errors.push({ index: earlier.index, externalId: key, code: 'duplicate_external_id' });
        winners.set(key, { value, index });
      }
    }
    const live = new Map(this.live(job.resource));
    const created = [...winners.keys()].filter((key) => !live.has(key));
    const updated = [...winners].filter(
      ([key, { value }]) => (live.get(key) ?? { value }).value.fields !== value.fields,
    );
    const deleted = job.mode === 'full' ? [...live.keys()].filter((key) => !mentioned.has(key)) : [];
    const retained = [...live.keys()].filter((key) => mentioned.has(key) && !winners.has(key));
    const counts = {
      received: job.records.length,
      created: created.length,
      updated: updated.length,
      unchanged: winners.size - created.length - updated.length,
      deleted: deleted.length,
      rejected: errors.length,
      retained: retained.length,
      unresolved: 0,
    };
    const unidentified = job.records.filter(({ key }) => key === null).length;
    const found = { valid: winners.size, unidentified, live: live.size, deleted: deleted.length };
    const isHeld = job.mode === 'full' && exceedsGuard(job.deletes, found);
    const plan = {
      create: counts.created,
      update: counts.updated,
      delete: counts.deleted,
      unchanged: counts.unchanged,
      live: live.size,
      held: isHeld,
      sample: deleted.toSorted(byCodePoint).slice(0, 20),
      listed: counts.created + counts.updated + counts.deleted,
    };
    job.errors = errors;
    if (isHeld || job.dryRun) job.plan = plan;
    if (isHeld && !job.dryRun && !job.isApproved) {
      job.status = 'awaiting_approval';
      return true;
    }
    if (!job.dryRun) {
      for (const key of deleted) Object.assign(table.get(key) as Row, { isLive: false });
      for (const key of [...created, ...updated.map(([name]) => name)]) {
        const changes = (table.get(key)?.changes ?? 0) + 1;
        table.set(key, { value: winners.get(key)?.value as RowValue, isLive: true, changes });
      }
    }
    if (job.resource === 'payments') {
      for (const [key, { value, index }] of winners) {
        if (!this.isLivePatient(value.parent)) errors.push({ index, externalId: key, code: 'unresolved_patient' });
      }
      counts.unresolved = errors.length - counts.rejected;
    }
    job.counts = counts;
    job.status = 'completed';
    return false;
  }

  private unfinished(resource: ResourceName): ModelJob[] {
    return this.jobs.filter(
      (job) => job.resource === resource && (job.status === 'queued' || job.status === 'awaiting_approval'),
    );
  }

  private isLivePatient(key: string | undefined): boolean {
    return key !== undefined && (this.tables.patients.get(key)?.isLive ?? false);
  }

  private live(resource: ResourceName): [string, Row][] {
    return [...this.tables[resource]].filter(([, { isLive }]) => isLive);
  }
}

function inOrder(rows: [string, Row][]): [string, Row][] {
  return rows.toSorted(([a], [b]) => byCodePoint(a, b));
}

/** Whether a snapshot supersedes others and can be superseded. */
function isFullAndReal({ mode, dryRun }: ModelJob): boolean {
  return mode === 'full' && !dryRun;
}

/** @param found the numbers of valid records, of those whose key cannot be told, of live rows, and of those that would go */
function exceedsGuard(
  deletes: SnapshotOptions['deletes'],
  found: { valid: number; unidentified: number; live: number; deleted: number },
): boolean {
  const { valid, unidentified, live, deleted } = found;
  if (deletes === 'apply') return false;
  if (deletes === 'hold') return deleted > 0;
  if ((valid === 0 && live > 0) || (unidentified > 0 && deleted > 0)) return true;
  return deleted > Math.max(GUARD.rows, (live * GUARD.percent) / 100);
}

/** Code point order, which is that of UTF-8 bytes; JavaScript compares UTF-16 units. */
export function byCodePoint(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** Ten-thousandths in the format of the API: at least two decimals, no trailing zeros after them. */
export function money(amount: bigint): string {
  const digits = String(amount < 0n ? -amount : amount).padStart(5, '0');
  const fraction = digits.slice(-4).replace(/0{1,2}$/, '');
  return `${amount < 0n ? '-' : ''}${digits.slice(0, -4)}.${fraction}`;
}
