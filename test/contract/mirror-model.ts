/**
 * The mirror of one source as the contract describes it, in memory and without any of the product's code: the result of
 * each job, and what callers must see after it.
 */

/** Patients with their payments, and two declared ones: visits at a doctor's, some of them of a patient, with a window of days. */
export type ResourceName = 'patients' | 'payments' | 'doctors' | 'visits';

/** A record as it is sent, and its meaning. */
export type ModelRecord =
  | { sent: unknown; key: string; value: RowValue }
  /** Rejected; with its key if that can be read. */
  | { sent: unknown; key: string | null; value: null; code: 'invalid_record' | 'not_an_object' };

/** What is stored of a record. `fields` are the same for equal values in different spellings. */
export interface RowValue {
  fields: string;
  /** The external ids of the parents that it names, by their resource. */
  parents?: Partial<Record<ResourceName, string>>;
  /** In ten-thousandths. */
  amount?: bigint;
  /** The value of the field by which windows are told. */
  at?: string;
}

/** From the first value, included, to the second one, excluded, in the order of their code points. */
export interface ModelWindow {
  from: string;
  to: string;
}

export interface SnapshotOptions {
  mode: 'full' | 'partial' | 'window';
  /** What a snapshot is complete for if it is a window. */
  window?: ModelWindow;
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
  /** Its place in the order of acceptance. */
  seq: number;
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
  private readonly tables: Record<ResourceName, Map<string, Row>> = {
    patients: new Map(),
    payments: new Map(),
    doctors: new Map(),
    visits: new Map(),
  };

  /** @param seq its place in the order of acceptance; windows apart from each other may take effect in another one */
  submit(
    resource: ResourceName,
    records: ModelRecord[],
    options: SnapshotOptions,
    seq: number = this.jobs.length,
  ): ModelJob {
    const job: ModelJob = {
      ...options,
      resource,
      seq,
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
    return this.parentsOf('patients', 'payments');
  }

  /** What the list of payments shows. */
  payments(): { externalId: string; parent: string; amount: bigint; changes: number }[] {
    return this.resolved('payments').map(([externalId, { value, changes }]) => {
      return { externalId, parent: value.parents?.patients ?? '', amount: value.amount ?? 0n, changes };
    });
  }

  /** What the list of doctors shows. */
  doctors(): { externalId: string; fields: string; count: number; total: bigint; changes: number }[] {
    return this.parentsOf('doctors', 'visits');
  }

  /** What the list of visits shows. */
  visits(): { externalId: string; fields: string; changes: number }[] {
    return this.resolved('visits').map(([externalId, { value, changes }]) => {
      return { externalId, fields: value.fields, changes };
    });
  }

  /** Live rows that are hidden, as a parent that they name is not in the mirror. */
  unresolved(resource: ResourceName): number {
    return this.live(resource).filter(([, { value }]) => this.missingParents(value).length > 0).length;
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
    const live = new Map(this.live(job.resource));
    const winners = new Map<string, { value: RowValue; index: number }>();
    const errors: NonNullable<ModelJob['errors']> = [];
    const mentioned = new Set<string>();
    for (const [index, { key, value, ...rest }] of job.records.entries()) {
      if (key !== null) mentioned.add(key);
      if (value === null) errors.push({ index, externalId: key, code: 'code' in rest ? rest.code : '' });
      else if (!isInside(value, job.window)) errors.push({ index, externalId: key, code: 'outside_window' });
      else if (this.isOvertaken(job, live.get(key))) errors.push({ index, externalId: key, code: 'overtaken' });
      else {
        const earlier = winners.get(key);
        if (earlier) errors.push({ index: earlier.index, externalId: key, code: 'duplicate_external_id' });
        winners.set(key, { value, index });
      }
    }
    const inScope = [...live].filter(([, { value }]) => isInside(value, job.window)).map(([key]) => key);
    const created = [...winners.keys()].filter((key) => !live.has(key));
    const updated = [...winners].filter(
      ([key, { value }]) => (live.get(key) ?? { value }).value.fields !== value.fields,
    );
    const deleted = job.mode === 'partial' ? [] : inScope.filter((key) => !mentioned.has(key));
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
    const found = { valid: winners.size, unidentified, live: inScope.length, deleted: deleted.length };
    const isHeld = job.mode !== 'partial' && exceedsGuard(job.deletes, found);
    const plan = {
      create: counts.created,
      update: counts.updated,
      delete: counts.deleted,
      unchanged: counts.unchanged,
      live: inScope.length,
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
    for (const [key, { value, index }] of winners) {
      const [missing] = this.missingParents(value);
      if (missing) errors.push({ index, externalId: key, code: `unresolved_${missing.slice(0, -1)}` });
    }
    counts.unresolved = errors.length - counts.rejected;
    job.counts = counts;
    job.status = 'completed';
    return false;
  }

  /** Whether a record's row lies in a newer window that took effect before: it was complete, so the row belongs there. */
  private isOvertaken({ resource, seq, window }: ModelJob, row: Row | undefined): boolean {
    if (!window || !row || isInside(row.value, window)) return false;
    return this.jobs.some(
      (newer) =>
        newer.resource === resource &&
        newer.seq > seq &&
        newer.status === 'completed' &&
        !newer.dryRun &&
        newer.window &&
        isInside(row.value, newer.window),
    );
  }

  private unfinished(resource: ResourceName): ModelJob[] {
    return this.jobs.filter(
      (job) => job.resource === resource && (job.status === 'queued' || job.status === 'awaiting_approval'),
    );
  }

  private parentsOf(resource: ResourceName, children: ResourceName) {
    const byParent = Map.groupBy(this.resolved(children), ([, { value }]) => value.parents?.[resource]);
    return inOrder(this.live(resource)).map(([externalId, { value, changes }]) => {
      const own = byParent.get(externalId) ?? [];
      const total = own.reduce((sum, [, child]) => sum + (child.value.amount ?? 0n), 0n);
      return { externalId, fields: value.fields, count: own.length, total, changes };
    });
  }

  /** Live rows all of whose parents are live. */
  private resolved(resource: ResourceName): [string, Row][] {
    return inOrder(this.live(resource)).filter(([, { value }]) => this.missingParents(value).length === 0);
  }

  /** The resources of the parents that it names and that are not live. */
  private missingParents({ parents = {} }: RowValue): ResourceName[] {
    const named = Object.entries(parents) as [ResourceName, string][];
    return named.filter(([resource, key]) => !this.tables[resource].get(key)?.isLive).map(([resource]) => resource);
  }

  private live(resource: ResourceName): [string, Row][] {
    return [...this.tables[resource]].filter(([, { isLive }]) => isLive);
  }
}

/** Everything is inside if there is no window, and a row without a value in none. */
function isInside({ at }: RowValue, window: ModelWindow | undefined): boolean {
  return window === undefined || (at !== undefined && window.from <= at && at < window.to);
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
