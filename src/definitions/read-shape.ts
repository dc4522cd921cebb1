import { Fault, type Use } from './column-types.js';
import { faultOfUse } from './field-uses.js';
import { identifying } from './identifying.js';
import {
  type Definition,
  EXTERNAL_ID,
  type Field,
  type OwnCode,
  type Parent,
  type Sort,
  type Total,
} from './definition.js';
import { faultsOfNames } from './reserved-names.js';
import { labelOf } from './field-names.js';
import type { ResourceShape } from './resource-shape.js';
import type { ShapeFault } from './shape-fault.js';
import { isRestOfType, writtenType } from './written-type.js';

/** A definition that was read; null if it has faults. */
export interface ReadShape {
  definition: Definition | null;
  /** As far as it could be read, with '' for names that could not: to be looked at beside others. */
  draft: Definition | null;
  faults: ShapeFault[];
}

const RESOURCE_NAME = /^[a-z][a-z0-9-]{0,39}$/;
const FIELD_NAME = /^[A-Za-z][A-Za-z0-9_]{0,62}$/;
const FIELD_NAME_DETAIL = 'a letter followed by up to 62 letters, digits and underscores';
/** Shorter than a field's, as PostgreSQL cuts names off after 63 bytes, and columns for parents have a prefix. */
const PARENT_NAME = /^[A-Za-z][A-Za-z0-9_]{0,39}$/;
const MAX_FIELDS = 100;
const MAX_KEY_FIELDS = 10;
const MAX_PARENTS = 10;
const MAX_TOTALS = 20;
const MAX_LIST_ENTRIES = 16;

/** Characters of an external id, where its field has no lower limit of its own. */
const KEY_CHARACTERS = 1_000;

const PARTS = ['name', 'key', 'fields', 'parents', 'window', 'list', 'duplicates'];
const LISTS = ['filter', 'range', 'search', 'sort'];

/** Reads a definition as somebody wrote it, and finds every fault in it. What it refers to is not looked at. */
export function readShape(shape: unknown, own: OwnCode = {}): ReadShape {
  const reader = new ShapeReader(own);
  const draft = reader.read(shape);
  return { definition: reader.faults.length === 0 ? draft : null, draft, faults: reader.faults };
}

class ShapeReader {
  readonly faults: ShapeFault[] = [];
  private readonly fields = new Map<string, Field>();
  /** Names of fields with a fault of their own: that other parts name them is no fault beside it. */
  private readonly faulty = new Set<string>();

  constructor(private readonly own: OwnCode) {}

  read(shape: unknown): Definition | null {
    const parts = this.object([], shape, PARTS);
    if (!parts) return null;
    const name = this.name(
      ['name'],
      parts['name'],
      RESOURCE_NAME,
      'a lower-case letter followed by up to 39 lower-case letters, digits and hyphens',
    );
    const key = this.keyOf(parts['key']);
    const by = byFields(parts['parents']);
    this.readFields(parts['fields'], key, by);
    for (const field of key) this.use(['key'], field, 'key');
    this.requirePresent(key[0]);
    const definition: Definition = {
      name,
      key,
      fields: [...this.fields.values()],
      parents: this.parents(parts['parents']),
      window: this.window(parts['window']),
      list: this.list(parts['list']),
      countsDuplicates: this.duplicates(parts['duplicates']),
      example: this.own.example ?? this.example(by),
      own: this.own,
      shape: shape as ResourceShape,
    };
    for (const fault of faultsOfNames(definition)) this.faults.push(fault);
    return definition;
  }

  /** Parents that need not be named are not. */
  private example(by: Set<string>): Record<string, unknown> {
    const values = [...this.fields.values()].map(({ name, type, isOptional }): [string, unknown] => {
      return [name, isOptional && by.has(name) ? null : type.example];
    });
    return Object.fromEntries(values);
  }

  private keyOf(written: unknown): string[] {
    if (written === undefined) return [EXTERNAL_ID];
    if (typeof written === 'string') return [written];
    if (Array.isArray(written) && written.length === 0) this.fault(['key'], 'must name a field, or a list of fields');
    return this.names(['key'], written, MAX_KEY_FIELDS);
  }

  /** The first field of a key names something in every record; later ones may be absent. */
  private requirePresent(name = ''): void {
    const field = this.fields.get(name);
    if (field?.isOptional !== true || !field.type.uses.has('key')) return;
    this.fault(['key'], `begins with ${name}, which may be absent`);
  }

  private readFields(written: unknown, key: string[], by: Set<string>): void {
    const fields = this.object(['fields'], written) ?? {};
    const names = Object.keys(fields);
    if (names.length > MAX_FIELDS) this.fault(['fields'], `must have at most ${MAX_FIELDS} entries`);
    for (const name of names.slice(MAX_FIELDS)) this.faulty.add(name);
    if (key.length === 1 && key[0] === EXTERNAL_ID && !names.includes(EXTERNAL_ID)) {
      this.addField(EXTERNAL_ID, 'text', true);
    }
    for (const name of names.slice(0, MAX_FIELDS)) {
      if (isRestOfType(name, fields[name]) && this.faulty.size > 0) continue;
      this.name(['fields', name], name, FIELD_NAME, FIELD_NAME_DETAIL);
      this.addField(name, fields[name], key.includes(name) || by.has(name));
    }
  }

  private addField(name: string, written: unknown, identifies: boolean): void {
    const isOptional = typeof written === 'string' && written.endsWith('?');
    const type = writtenType(isOptional ? written.slice(0, -1).trim() : written);
    if (type instanceof Fault) {
      this.faulty.add(name);
      return this.fault(['fields', name], type.detail);
    }
    const check = Object.hasOwn(this.own.checks ?? {}, name) ? (this.own.checks?.[name] ?? null) : null;
    this.fields.set(name, {
      name,
      label: labelOf(name),
      type: identifies ? identifying(type, KEY_CHARACTERS) : type,
      isOptional,
      check,
    });
  }

  private parents(written: unknown): Parent[] {
    if (written === undefined) return [];
    const parents = this.object(['parents'], written);
    if (!parents) return [];
    if (Object.keys(parents).length > MAX_PARENTS) this.fault(['parents'], `must have at most ${MAX_PARENTS} entries`);
    return Object.entries(parents).map(([name, parent]) => this.parent(name, parent));
  }

  private parent(name: string, written: unknown): Parent {
    const path = ['parents', name];
    this.name(path, name, PARENT_NAME, 'a letter followed by up to 39 letters, digits and underscores');
    const parts = this.object(path, written, ['resource', 'by', 'totals']) ?? {};
    const resource = this.name([...path, 'resource'], parts['resource'], RESOURCE_NAME, 'the name of a resource');
    const by = this.use([...path, 'by'], parts['by'], 'parent');
    return { name, resource, by, totals: this.totals([...path, 'totals'], parts['totals']) };
  }

  private totals(path: string[], written: unknown): Total[] {
    if (written === undefined) return [];
    const totals = this.object(path, written) ?? {};
    if (Object.keys(totals).length > MAX_TOTALS) this.fault(path, `must have at most ${MAX_TOTALS} entries`);
    return Object.entries(totals).map(([name, formula]) => {
      this.name([...path, name], name, FIELD_NAME, FIELD_NAME_DETAIL);
      if (formula === 'count') return { name, sumOf: null };
      const summed =
        typeof formula === 'string' ? /^sum\( ?([A-Za-z0-9_]{1,63}) ?\)$/.exec(formula.slice(0, 80)) : null;
      if (!summed) this.fault([...path, name], 'must be count, or the sum of a field, such as sum(amount)');
      return { name, sumOf: summed ? this.use([...path, name], summed[1], 'sum') : null };
    });
  }

  private window(written: unknown): string | null {
    return written === undefined ? null : this.use(['window'], written, 'window');
  }

  private list(written: unknown): Definition['list'] {
    const lists = written === undefined ? {} : (this.object(['list'], written, LISTS) ?? {});
    const namesOf = (list: string): string[] =>
      lists[list] === undefined ? [] : this.names(['list', list], lists[list], MAX_LIST_ENTRIES);
    const fieldsOf = (list: 'filter' | 'range' | 'search'): string[] =>
      namesOf(list).map((name) => this.use(['list', list], name, list));
    const sort = namesOf('sort').map((name): Sort => {
      const descending = name.startsWith('-');
      return { field: this.use(['list', 'sort'], descending ? name.slice(1) : name, 'sort'), descending };
    });
    return { filter: fieldsOf('filter'), range: fieldsOf('range'), search: fieldsOf('search'), sort };
  }

  private duplicates(written: unknown): boolean {
    if (written !== undefined && written !== 'count') this.fault(['duplicates'], 'must be count, or be left out');
    return written === 'count';
  }

  /** The name of a field that may serve for that. */
  private use(path: string[], written: unknown, use: Use): string {
    if (typeof written === 'string' && this.faulty.has(written)) return '';
    const field = typeof written === 'string' ? this.fields.get(written) : undefined;
    if (!field) {
      const isName = typeof written === 'string';
      this.fault(
        path,
        isName ? `names ${JSON.stringify(written.slice(0, 63))}, but there is no such field` : 'must name a field',
      );
      return '';
    }
    const unfit = faultOfUse(field, use);
    if (unfit !== null) this.fault(path, unfit);
    return field.name;
  }

  private name(path: string[], written: unknown, pattern: RegExp, wanted: string): string {
    const isGood = typeof written === 'string' && written.length <= 63 && pattern.test(written);
    if (!isGood) this.fault(path, `must be ${wanted}`);
    return isGood ? written : '';
  }

  private names(path: string[], written: unknown, most: number): string[] {
    const isList = Array.isArray(written) && written.every((name) => typeof name === 'string');
    if (!isList) this.fault(path, 'must be a list of names');
    const names = isList ? written : [];
    if (names.length > most) this.fault(path, `must have at most ${most} entries`);
    if (new Set(names).size < names.length) this.fault(path, 'has the same entry twice');
    return names.slice(0, most);
  }

  private object(path: string[], written: unknown, known?: string[]): Record<string, unknown> | null {
    if (typeof written !== 'object' || written === null || Array.isArray(written)) {
      this.fault(path, 'must be a mapping');
      return null;
    }
    for (const name of Object.keys(written)) {
      if (known && !known.includes(name)) this.fault([...path, name], `is not known; there are ${known.join(', ')}`);
    }
    return written as Record<string, unknown>;
  }

  private fault(path: string[], detail: string): void {
    this.faults.push({ path, detail });
  }
}

/** Fields that parents name, whatever else is wrong with these. */
function byFields(parents: unknown): Set<string> {
  const written = typeof parents === 'object' && parents !== null ? Object.values(parents) : [];
  return new Set(
    written.flatMap((parent: { by?: unknown } | null) => (typeof parent?.by === 'string' ? [parent.by] : [])),
  );
}
