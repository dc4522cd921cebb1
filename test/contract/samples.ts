import type { MirroredResource, RecordSchema } from '../../src/sync/mirrored-resource.js';

export type SampleRecord = Record<string, unknown>;

/** Ways to make keys; the first one whose keys the definition accepts unchanged is used. Distinct up to 17,576. */
const KEYS: ((n: number) => string)[] = [
  (n) => `key-${String(n).padStart(5, '0')}`,
  (n) => String(100_000 + n),
  (n) => [n / 676, n / 26, n].map((place) => String.fromCharCode(65 + (Math.floor(place) % 26))).join(''),
];

/** Values that are valid for some field: names, amounts, days, instants, currencies, IBANs, lists, flags. */
const VALUES: unknown[] = [
  'Other',
  'Another',
  '17.25',
  '-3.5',
  '1990-05-17',
  '1991-06-18',
  '2020-02-29T12:00:00.000Z',
  'USD',
  'EUR',
  'DE89370400440532013000',
  'GB82WEST12345698765432',
  ['DE89370400440532013000'],
  12,
  true,
  false,
  null,
];

/** Values that every required field refuses. */
const NONSENSE: unknown[] = [{}, { no: 'value' }, null, [[]], 'half a pair: \uD800'];

/**
 * Valid and invalid records of a resource, made from nothing but its definition and the example in it, so that a new
 * resource is tested without code of its own.
 */
export class Samples {
  private readonly schema: RecordSchema;
  private readonly keyOf: (n: number) => string;
  private readonly versions: SampleRecord[];
  private readonly nonsense: SampleRecord;

  constructor(private readonly definition: MirroredResource) {
    this.schema = definition.record({ futureBirthDates: 'reject', today: new Date().toISOString().slice(0, 10) });
    this.keyOf = this.firstOf('a way to number records', KEYS, (way) =>
      [0, 1, 9_999].every((n) => this.parse({ externalId: way(n) })?.['externalId'] === way(n)),
    );
    this.versions = this.findVersions();
    const changes = this.ownFields().flatMap((name) => NONSENSE.map((value) => ({ [name]: value })));
    this.nonsense = this.firstOf('an invalid record', changes, (change) => this.parse(change) === null);
  }

  key(n: number): string {
    return this.keyOf(n);
  }

  /** The record with the nth key. Different versions have different values. */
  record(n: number, version = 0): SampleRecord {
    const change = this.versions[version];
    if (!change) throw new Error(`only ${this.versions.length} versions of ${this.definition.name} were found`);
    return { ...this.definition.example, ...change, externalId: this.key(n) };
  }

  /** Records with the keys from `from` up to, not including, `to`. */
  records(from: number, to: number, version = 0): SampleRecord[] {
    return Array.from({ length: to - from }, (_, offset) => this.record(from + offset, version));
  }

  /** A record that must be rejected though its key is valid. */
  invalid(n: number): SampleRecord {
    return { ...this.record(n), ...this.nonsense };
  }

  /** The stored values of a record as text, by field. */
  parsed(record: SampleRecord): Record<string, string | null> {
    const parsed = this.parse(record);
    if (!parsed) throw new Error(`this record of ${this.definition.name} is not valid`);
    return parsed;
  }

  private findVersions(): SampleRecord[] {
    const versions = new Map<string, SampleRecord>([[JSON.stringify(this.parse({})), {}]]);
    for (const name of this.ownFields()) {
      for (const value of VALUES) {
        const parsed = this.parse({ [name]: value });
        const text = JSON.stringify(parsed);
        if (parsed && !versions.has(text)) versions.set(text, { [name]: value });
      }
    }
    if (versions.size < 3) throw new Error(`no different values were found for ${this.definition.name}`);
    return [...versions.values()];
  }

  /** The fields that a test may change without changing the row's key or parent. */
  private ownFields(): string[] {
    const fixed = ['externalId', this.definition.parent?.field];
    return Object.keys(this.schema.shape).filter((name) => !fixed.includes(name));
  }

  private parse(change: SampleRecord): Record<string, string | null> | null {
    const blank = Object.fromEntries(Object.keys(this.schema.shape).map((name) => [name, undefined]));
    const result = this.schema.safeParse({ ...blank, ...this.definition.example, ...change });
    return result.success ? result.data : null;
  }

  private firstOf<T>(what: string, candidates: T[], isGood: (candidate: T) => boolean): T {
    const found = candidates.find(isGood);
    if (found === undefined) throw new Error(`could not derive ${what} for ${this.definition.name}`);
    return found;
  }
}
