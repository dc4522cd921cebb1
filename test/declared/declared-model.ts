import type { FieldValue, RandomResource } from './random-resources.js';

/** A row as the model has it. */
interface ModelRow {
  values: Record<string, FieldValue>;
  copies: number;
}

export type SentRecord = Record<string, unknown>;

/** What a snapshot speaks for. */
export type Scope = { mode: 'full' } | { mode: 'partial' } | { mode: 'window'; from: FieldValue; to: FieldValue };

/** What the mirror must be, as simply as it can be said: the records that were sent last, and what follows from them. */
export class DeclaredModel {
  private readonly rows = new Map<string, Map<string, ModelRow>>();

  constructor(private readonly resources: RandomResource[]) {
    for (const { name } of resources) this.rows.set(name, new Map());
  }

  /** @param isValid whether a record would be mirrored if it stood alone, without regard to a window */
  apply(resource: RandomResource, records: SentRecord[], scope: Scope, isValid: (record: SentRecord) => boolean): void {
    const rows = this.rowsOf(resource.name);
    const good = records.filter((record) => isValid(record) && this.isInside(resource, record, scope));
    const named = new Set(records.map((record) => externalIdOf(resource, record)));
    const last = new Map(good.map((record) => [externalIdOf(resource, record), valuesOf(resource, record)]));
    for (const [id, row] of rows) {
      if (!named.has(id) && this.isInside(resource, row.values, scope) && scope.mode !== 'partial') rows.delete(id);
    }
    for (const [id, values] of last) {
      const copies = good.filter((record) => same(valuesOf(resource, record), values)).length;
      rows.set(id, { values, copies });
    }
  }

  /** The rows that a list shows, by external id. */
  listed(resource: RandomResource): Record<string, unknown>[] {
    const shown = [...this.rowsOf(resource.name)].filter(([, row]) => this.isResolved(resource, row));
    return shown
      .toSorted(([one], [other]) => (one < other ? -1 : 1))
      .map(([externalId, { values, copies }]) => ({
        externalId,
        ...values,
        ...(resource.countsDuplicates && { copies }),
        ...this.totals(resource, externalId),
      }));
  }

  ids(name: string): string[] {
    return [...this.rowsOf(name).keys()];
  }

  private isInside({ window }: RandomResource, values: SentRecord, scope: Scope): boolean {
    if (scope.mode !== 'window' || window === null) return true;
    const value = values[window];
    if (value === null || value === undefined) return false;
    const [at, from, to] = [value, scope.from, scope.to].map((each) => orderOf(each as FieldValue)) as [any, any, any];
    return from <= at && at < to;
  }

  private isResolved({ parents }: RandomResource, { values }: ModelRow): boolean {
    return parents.every(({ by, resource }) => values[by] === null || this.rowsOf(resource).has(String(values[by])));
  }

  private totals(parent: RandomResource, externalId: string): Record<string, unknown> {
    const totals: Record<string, unknown> = {};
    for (const child of this.resources) {
      for (const link of child.parents.filter(({ resource }) => resource === parent.name)) {
        const children = [...this.rowsOf(child.name).values()].filter(
          (row) => row.values[link.by] === externalId && this.isResolved(child, row),
        );
        for (const [name, field] of Object.entries(link.totals)) {
          const isWhole = child.fields.some(({ name: own, kind }) => own === field && kind.type === 'integer');
          const values = children.map((row) => (field === null ? 1 : (row.values[field] ?? null)));
          totals[name] = field === null ? children.length : isWhole ? wholeSumOf(values) : sumOf(values);
        }
      }
    }
    return totals;
  }

  private rowsOf(name: string): Map<string, ModelRow> {
    return this.rows.get(name) as Map<string, ModelRow>;
  }
}

function valuesOf(resource: RandomResource, record: SentRecord): Record<string, FieldValue> {
  return Object.fromEntries(fieldsOf(resource).map((name) => [name, (record[name] ?? null) as FieldValue]));
}

export function fieldsOf({ key, fields, parents }: RandomResource): string[] {
  return [...key, ...fields.map(({ name }) => name), ...parents.map(({ by }) => by)];
}

export function externalIdOf({ key }: RandomResource, record: SentRecord): string {
  const values = key.map((field) => String(record[field]));
  return values.length === 1
    ? (values[0] ?? '')
    : values.map((value) => value.replace(/[\\|]/g, String.raw`\$&`)).join('|');
}

/** Days as they are, numbers exactly, in thousandths. */
function orderOf(value: FieldValue): string | bigint {
  return typeof value === 'string' && /^\d{4}-/.test(value) ? value : thousandths(value);
}

/** As money leaves: at least two decimals. */
function sumOf(values: FieldValue[]): string {
  const sum = values.reduce((total, value) => total + (value === null ? 0n : thousandths(value)), 0n);
  const digits = String(sum < 0n ? -sum : sum).padStart(4, '0');
  const decimals = digits.slice(-3).replace(/0$/, '');
  return `${sum < 0n ? '-' : ''}${digits.slice(0, -3)}.${decimals}`;
}

/** As integers leave. */
function wholeSumOf(values: FieldValue[]): number | string {
  const sum = values.reduce((total, value) => total + BigInt(value ?? 0), 0n);
  return Number.isSafeInteger(Number(sum)) ? Number(sum) : String(sum);
}

function thousandths(value: FieldValue): bigint {
  const [whole = '', fraction = ''] = String(value).split('.');
  const size = BigInt(whole.replace('-', '') + fraction.padEnd(3, '0'));
  return whole.startsWith('-') ? -size : size;
}

function same(one: object, other: object): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
