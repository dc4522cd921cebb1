import { COPIES, type Definition, EXTERNAL_ID } from '../../src/definitions/definition.js';
import { RecordCheck } from '../../src/sync/read/record-check.js';

export type SampleRecord = Record<string, unknown>;

/** Ways to number records by one of their key's fields, in an order that external ids keep. */
const KEYS: ((n: number) => string)[] = [(n) => `key-${String(n).padStart(5, '0')}`, (n) => String(100_000 + n)];

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
  '0193de4c-5b6a-7c21-9f60-0f3a1de0a8c2',
  { a: [1, 2.5, null] },
];

/** What definitions cannot tell: which records exist that theirs may name as parents. */
const EXAMPLES: Record<string, SampleRecord> = {
  bookings: { select: 'north|1', before: null },
};

/** Values that every required field refuses. */
const NONSENSE: unknown[] = [{}, { no: 'value' }, null, [[]], 'half a pair: \uD800'];

/**
 * Valid and invalid records of a resource, made from nothing but its definition and the example in it, so that a new
 * resource is tested without code of its own.
 */
export class Samples {
  private readonly check: RecordCheck;
  private readonly example: SampleRecord;
  /** The key's field by which records are numbered, and how. */
  private readonly numbered: { field: string; keyOf: (n: number) => string };
  private readonly versions: SampleRecord[];
  private readonly nonsense: SampleRecord;

  constructor(private readonly definition: Definition) {
    const today = new Date().toISOString().slice(0, 10);
    this.check = new RecordCheck(definition, { futureBirthDates: 'reject', today });
    this.example = { ...definition.example, ...EXAMPLES[definition.name] };
    const ways = definition.key.flatMap((field) => KEYS.map((keyOf) => ({ field, keyOf })));
    this.numbered = this.firstOf('a way to number records', ways, ({ field, keyOf }) =>
      [0, 1, 9_999].every((n) =>
        this.parse({ [field]: keyOf(n) })
          ?.['externalId']?.split('|')
          .includes(keyOf(n)),
      ),
    );
    this.versions = this.findVersions();
    const changes = this.ownFields().flatMap((name) => NONSENSE.map((value) => ({ [name]: value })));
    this.nonsense = this.firstOf('an invalid record', changes, (change) => this.parse(change) === null);
  }

  /** The external id of the nth record. */
  key(n: number): string {
    return this.parse(this.numberedAs(n))?.['externalId'] ?? '';
  }

  /** The record with the nth key. Different versions have different values. */
  record(n: number, version = 0): SampleRecord {
    const change = this.versions[version];
    if (!change) throw new Error(`only ${this.versions.length} versions of ${this.definition.name} were found`);
    return { ...this.example, ...change, ...this.numberedAs(n) };
  }

  externalIdOf(record: SampleRecord): string {
    return this.parsed(record)['externalId'] ?? '';
  }

  /** An image of a row without its key, which is the same for all records of a version. */
  withoutKey(image: Record<string, unknown> | null): Record<string, unknown> | null {
    if (image === null) return null;
    return Object.fromEntries(Object.entries(image).filter(([name]) => !this.definition.key.includes(name)));
  }

  /** A record whose key cannot be told. */
  keyless(n: number): SampleRecord {
    return { ...this.record(n), [this.numbered.field]: {} };
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

  private numberedAs(n: number): SampleRecord {
    return { [this.numbered.field]: this.numbered.keyOf(n) };
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
    const fixed = [...this.definition.key, ...this.definition.parents.map(({ by }) => by)];
    return this.definition.fields.map(({ name }) => name).filter((name) => !fixed.includes(name));
  }

  private parse(change: SampleRecord): Record<string, string | null> | null {
    const result = this.check.check({ ...this.example, ...change });
    if (!result.valid) return null;
    const columns = this.definition.fields.filter(({ name }) => name !== EXTERNAL_ID);
    const values = columns.map(({ name }, index): [string, string | null] => [name, result.values[index] ?? null]);
    if (this.definition.countsDuplicates) values.push([COPIES, result.values.at(-1) ?? null]);
    return { externalId: result.externalId, ...Object.fromEntries(values) };
  }

  private firstOf<T>(what: string, candidates: T[], isGood: (candidate: T) => boolean): T {
    const found = candidates.find(isGood);
    if (found === undefined) throw new Error(`could not derive ${what} for ${this.definition.name}`);
    return found;
  }
}
