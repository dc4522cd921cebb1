import { Fault } from '../../definitions/column-types.js';
import { type Definition, EXTERNAL_ID, type Field, type RecordRules } from '../../definitions/definition.js';
import { ABSENT, externalIdOf } from '../../definitions/external-id.js';
import { isInside, type Window } from '../../definitions/window.js';
import { allSpellingsOf } from '../../definitions/field-names.js';
import { spellingsOf } from '../../definitions/reserved-names.js';
import { rawNumber } from '../../values/exact-json.js';
import type { RepeatedNames } from '../../values/repeated-names.js';
import { isStorable } from '../../values/text.js';

/** A record that can be mirrored: the text of each of its columns, in the order of the definition's fields. */
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
  code: 'invalid_record' | 'not_an_object' | 'outside_window';
  errors: Record<string, string[]>;
}

/** Names of unknown fields that are told one by one; the rest is counted together. */
const MAX_NAMED_FIELDS = 20;
const MAX_FIELD_NAME = 60;

/** Where a spelling of a field's name leads. */
interface Place {
  index: number;
  /** Whether it is the field's own name, which wins over the other spelling. */
  isOwn: boolean;
}

/** Checks the records of one snapshot against a resource's definition. A loop over the fields: no schema per record. */
export class RecordCheck {
  /** How many records had a field that we do not know, by its name. */
  readonly unknownFields = new Map<string, number>();
  /** Columns besides the external id. */
  readonly columnCount: number;
  private readonly fields: readonly Field[];
  /** The values of a record without any. */
  private readonly absent: readonly unknown[];
  private readonly places: ReadonlyMap<string, Place>;
  /** Of the fields that are the key, in the key's order. */
  private readonly keyPlaces: number[];
  /** Where the external id is among the fields if it is no column of its own, else -1. */
  private readonly externalIdPlace: number;
  private readonly countsCopies: boolean;
  private readonly windowPlace: number;

  /**
   * @param cells whether values are the cells of a CSV table
   * @param window the range that the snapshot speaks for: records outside of it are rejected
   */
  constructor(
    definition: Definition,
    private readonly rules: RecordRules,
    private readonly cells = false,
    private readonly window: Window | null = null,
  ) {
    this.fields = definition.fields;
    this.absent = this.fields.map(() => undefined);
    this.places = placesOf(this.fields);
    const placeOf = (name: string) => this.fields.findIndex((field) => field.name === name);
    this.keyPlaces = definition.key.map(placeOf);
    this.externalIdPlace = placeOf(EXTERNAL_ID);
    this.windowPlace = definition.window === null ? -1 : placeOf(definition.window);
    this.countsCopies = definition.countsDuplicates;
    this.columnCount = this.fields.length - (this.externalIdPlace === -1 ? 0 : 1) + (this.countsCopies ? 1 : 0);
  }

  /** @param repeated the names that the record has more than once, if there are any */
  check(record: unknown, repeated?: RepeatedNames): ValidRecord | RejectedRecord {
    if (typeof record !== 'object' || record === null || Array.isArray(record) || rawNumber(record) !== null) {
      return {
        valid: false,
        externalId: null,
        code: 'not_an_object',
        errors: { record: ['A record must be an object'] },
      };
    }
    const sent = this.sentValues(record as Record<string, unknown>);
    const read: (string | null)[] = [];
    let errors = repeated === undefined ? null : this.repetitions(repeated);
    for (let index = 0; index < this.fields.length; index++) {
      const field = this.fields[index] as Field;
      const value = this.read(field, sent[index]);
      if (value instanceof Fault) {
        errors ??= {};
        errors[field.name] = [`${field.label} ${value.detail}`];
        read.push(null);
      } else {
        read.push(value);
      }
    }
    const externalId = externalIdOf(this.keyPlaces.map((place) => this.keyPart(place, read, errors)));
    if (errors === null && externalId instanceof Fault)
      errors = { [EXTERNAL_ID]: [`External id ${externalId.detail}`] };
    if (errors !== null || externalId instanceof Fault) {
      // Its stored row must not count as missing.
      const known = externalId instanceof Fault ? null : externalId;
      return { valid: false, externalId: known, code: 'invalid_record', errors: errors ?? {} };
    }
    if (this.window !== null && !this.isInside(this.window, read)) return this.outside(externalId);
    if (this.externalIdPlace !== -1) read.splice(this.externalIdPlace, 1);
    if (this.countsCopies) read.push('1');
    return { valid: true, externalId, values: read };
  }

  /** Null if it cannot be told: of a field that is there more than once, any of its values may be meant. */
  private keyPart(
    place: number,
    read: readonly (string | null)[],
    errors: Record<string, string[]> | null,
  ): string | null | typeof ABSENT {
    const { name } = this.fields[place] as Field;
    return errors !== null && Object.hasOwn(errors, name) ? null : (read[place] ?? ABSENT);
  }

  /** A value of which only the last one is there would not be kept exactly. Fields that we do not know are not kept at all. */
  private repetitions(repeated: RepeatedNames): Record<string, string[]> | null {
    const errors = [...repeated].flatMap(([within, name]): [string, string[]][] => {
      const field = this.fields[this.places.get(within)?.index ?? -1];
      if (field === undefined) return [];
      const what = name === null ? 'is there' : `has the name ${JSON.stringify(name.slice(0, MAX_FIELD_NAME))}`;
      return [[field.name, [`${field.label} ${what} more than once`]]];
    });
    return errors.length === 0 ? null : Object.fromEntries(errors);
  }

  private isInside(window: Window, read: (string | null)[]): boolean {
    const value = read[this.windowPlace] ?? null;
    return value !== null && isInside((this.fields[this.windowPlace] as Field).type, window, value);
  }

  private outside(externalId: string): RejectedRecord {
    const { name, label } = this.fields[this.windowPlace] as Field;
    const errors = { [name]: [`${label} lies outside of the window of this snapshot`] };
    return { valid: false, externalId, code: 'outside_window', errors };
  }

  private read(field: Field, sent: unknown): string | null | Fault {
    const { type } = field;
    const isNull = sent === undefined || sent === null || (this.cells && type.isNullCell?.(sent as string));
    if (isNull) return field.isOptional ? null : REQUIRED;
    const value = this.cells && type.readCell ? type.readCell(sent as string) : type.read(sent);
    if (value instanceof Fault || field.check === null) return value;
    const detail = field.check(value, this.rules);
    return detail === null ? value : new Fault(detail);
  }

  /** The values of the fields that we know, by their places. Other fields are counted. */
  private sentValues(record: Record<string, unknown>): unknown[] {
    const sent = this.absent.slice();
    for (const key of Object.keys(record)) {
      const place = this.places.get(key);
      if (place === undefined || (!place.isOwn && Object.hasOwn(record, this.fields[place.index]?.name ?? ''))) {
        this.countUnknown(key);
      } else {
        sent[place.index] = record[key];
      }
    }
    return sent;
  }

  private countUnknown(key: string): void {
    const name = isStorable(key) ? key.slice(0, MAX_FIELD_NAME) : '(not text)';
    const shown = this.unknownFields.has(name) || this.unknownFields.size < MAX_NAMED_FIELDS ? name : '(others)';
    this.unknownFields.set(shown, (this.unknownFields.get(shown) ?? 0) + 1);
  }
}

/** Where each spelling leads. One that two fields could have leads nowhere, unless it is the name of one of them. */
function placesOf(fields: readonly Field[]): Map<string, Place> {
  const places = new Map<string, Place>();
  for (const [index, { name }] of fields.entries()) {
    for (const spelling of spellingsOf(name)) places.set(spelling, { index, isOwn: spelling === name });
  }
  const further = fields.flatMap(({ name }, index) =>
    allSpellingsOf(name)
      .filter((spelling) => !places.has(spelling))
      .map((spelling) => ({ spelling, index })),
  );
  for (const { spelling, index } of further) {
    const isShared = further.some((other) => other.spelling === spelling && other.index !== index);
    if (!isShared) places.set(spelling, { index, isOwn: false });
  }
  return places;
}

const REQUIRED = new Fault('is required');
