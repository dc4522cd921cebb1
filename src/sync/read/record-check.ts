import type { MirroredResource, RecordRules, RecordSchema } from '../mirrored-resource.js';
import { isStorable } from '../record-fields.js';
import { rawNumber } from '../../platform/exact-json.js';

/** A record that can be mirrored: the text of each of its columns, in the order of the check's `fields`. */
export interface ValidRecord {
  valid: true;
  externalId: string;
  values: (string | null)[];
}

/** A record that cannot, and why: messages by field. */
export interface RejectedRecord {
  valid: false;
  /** Null if not even that can be told. */
  externalId: string | null;
  code: 'invalid_record' | 'not_an_object';
  errors: Record<string, string[]>;
}

/** Names of unknown fields that are told one by one; the rest is counted together. */
const MAX_NAMED_FIELDS = 20;
const MAX_FIELD_NAME = 60;

/** Checks the records of one snapshot against a resource's definition. */
export class RecordCheck {
  /** How many records had a field that we do not know, by its name. */
  readonly unknownFields = new Map<string, number>();
  private readonly schema: RecordSchema;
  private readonly fields: string[];
  private readonly aliases: Map<string, string>;
  private readonly blank: Record<string, undefined>;

  constructor(resource: MirroredResource, rules: RecordRules) {
    this.schema = resource.record(rules);
    const known = Object.keys(this.schema.shape);
    this.blank = Object.fromEntries(known.map((name) => [name, undefined]));
    this.fields = known.filter((name) => name !== 'externalId');
    this.aliases = new Map(known.flatMap((name) => [[name, name] as const, [snakeCase(name), name] as const]));
  }

  /** Columns besides the external id. */
  get columnCount(): number {
    return this.fields.length;
  }

  check(record: unknown): ValidRecord | RejectedRecord {
    if (typeof record !== 'object' || record === null || Array.isArray(record) || rawNumber(record) !== null) {
      return {
        valid: false,
        externalId: null,
        code: 'not_an_object',
        errors: { record: ['A record must be an object'] },
      };
    }
    const known = this.knownFields(record as Record<string, unknown>);
    const result = this.schema.safeParse(known);
    if (result.success) {
      const value = result.data as Record<string, string | null>;
      return {
        valid: true,
        externalId: value['externalId'] ?? '',
        values: this.fields.map((name) => value[name] ?? null),
      };
    }
    const errors: Record<string, string[]> = {};
    for (const issue of result.error.issues) (errors[String(issue.path[0])] ??= []).push(issue.message);
    return { valid: false, externalId: this.keyOf(known), code: 'invalid_record', errors };
  }

  /** The fields that we know, by their camelCase names, which win over snake_case ones. Other fields are counted. */
  private knownFields(record: Record<string, unknown>): Record<string, unknown> {
    // With every field, as zod tells an absent one from an undefined one.
    const known: Record<string, unknown> = { ...this.blank };
    for (const key of Object.keys(record)) {
      const name = this.aliases.get(key);
      if (name === undefined || (name !== key && Object.hasOwn(record, name))) this.countUnknown(key);
      else known[name] = record[key];
    }
    return known;
  }

  private countUnknown(key: string): void {
    const name = isStorable(key) ? key.slice(0, MAX_FIELD_NAME) : '(not text)';
    const shown = this.unknownFields.has(name) || this.unknownFields.size < MAX_NAMED_FIELDS ? name : '(others)';
    this.unknownFields.set(shown, (this.unknownFields.get(shown) ?? 0) + 1);
  }

  /** The external id of a record that is otherwise wrong: its stored row must not count as missing. */
  private keyOf(known: Record<string, unknown>): string | null {
    const result = this.schema.shape.externalId.safeParse(known['externalId']);
    return result.success ? (result.data ?? null) : null;
  }
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
