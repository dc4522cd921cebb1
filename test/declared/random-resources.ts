/** A source of random choices that a seed repeats. */
export class Random {
  constructor(private state: number) {}

  /** At least 0, less than `below`. */
  below(below: number): number {
    // mulberry32: https://gist.github.com/tommyettinger/46a874533244883189143505d203312c
    this.state = (this.state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  }

  of<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)] as T;
  }

  chance(percent: number): boolean {
    return this.below(100) < percent;
  }
}

export type FieldValue = string | number | boolean | null;

/** A kind of value: few values, so that records meet, each as it is sent and as it leaves. */
interface Kind {
  type: string;
  values: FieldValue[];
  /** What no record of this type may have. */
  bad: unknown;
}

const KINDS: Kind[] = [
  { type: 'text', values: ['', 'one', 'two\t"2"', 'Zoë'], bad: 7 },
  { type: 'integer', values: [0, -3, 12, '9007199254740993'], bad: 'x' },
  { type: 'decimal(12,3)', values: ['0.00', '-7.125', '1200.50'], bad: '1.2345' },
  { type: 'boolean', values: [true, false], bad: 'yes' },
  { type: 'date', values: ['2026-01-31', '2026-02-01', '2026-02-28'], bad: '2026-02-30' },
  { type: 'instant', values: ['2026-02-01T00:00:00.000Z', '2026-01-31T23:59:59.999999Z'], bad: '2026-02-01 10:00' },
];

const NUMBERS = ['integer', 'decimal(12,3)'];
const WINDOWS = ['date', 'integer', 'decimal(12,3)'];

export interface RandomParent {
  name: string;
  resource: string;
  by: string;
  isOptional: boolean;
  /** By name: the field that is summed, or null for the number of children. */
  totals: Record<string, string | null>;
}

/** A resource that was drawn. */
export interface RandomResource {
  name: string;
  key: string[];
  fields: { name: string; kind: Kind; isOptional: boolean }[];
  parents: RandomParent[];
  window: string | null;
  countsDuplicates: boolean;
}

/** Words of SQL, of JavaScript and of the engine. */
const FIELD_NAMES = [
  'select',
  'order',
  'deleted',
  'ordinal',
  'operation',
  'before',
  'source_id',
  'toString',
  'camelCase',
];

/** The resources that come along, as far as the model goes. */
export const BUNDLED: RandomResource[] = [
  {
    name: 'patients',
    key: ['externalId'],
    fields: [
      { name: 'firstName', kind: { type: 'text', values: ['Ann', 'Zoë'], bad: 7 }, isOptional: false },
      { name: 'middleName', kind: { type: 'text', values: ['', 'M.'], bad: 7 }, isOptional: true },
      { name: 'lastName', kind: { type: 'text', values: ['Tell'], bad: '' }, isOptional: false },
      { name: 'dateOfBirth', kind: { type: 'date', values: ['1994-02-01'], bad: '1994-02-30' }, isOptional: true },
    ],
    parents: [],
    window: null,
    countsDuplicates: false,
  },
  {
    name: 'payments',
    key: ['externalId'],
    fields: [
      {
        name: 'amount',
        kind: { type: 'decimal(19,4)', values: ['0.00', '-7.125', '1200.50'], bad: 'x' },
        isOptional: false,
      },
    ],
    parents: [
      {
        name: 'patient',
        resource: 'patients',
        by: 'patientId',
        isOptional: false,
        totals: { paymentsTotal: 'amount', paymentsCount: null },
      },
    ],
    window: null,
    countsDuplicates: false,
  },
];

/** Draws resources that hang on each other, some on themselves, and some on those that come along. */
export function drawResources(random: Random): RandomResource[] {
  const resources: RandomResource[] = [...BUNDLED];
  for (let n = 0; n < 3; n++) {
    const key = random.chance(50) ? ['code'] : ['code', 'part'];
    const names = FIELD_NAMES.filter(() => random.chance(40)).slice(0, 4);
    const fields = names.map((name) => ({ name, kind: random.of(KINDS), isOptional: random.chance(40) }));
    const summed = fields.find(({ kind }) => NUMBERS.includes(kind.type));
    const windows = fields.filter(({ kind }) => WINDOWS.includes(kind.type));
    const name = `things-${n}`;
    const parents = [...resources.map((resource) => resource.name), name]
      .filter(() => random.chance(50))
      .map((resource, place) => ({
        name: `parent${place}`,
        resource,
        by: `by${place}`,
        isOptional: resource === name || random.chance(30),
        totals: {
          ...(random.chance(70) ? { [`of${n}Count${place}`]: null } : {}),
          ...(summed && random.chance(70) ? { [`of${n}Sum${place}`]: summed.name } : {}),
        },
      }));
    const window = windows.length > 0 && random.chance(80) ? random.of(windows).name : null;
    resources.push({ name, key, fields, parents, window, countsDuplicates: random.chance(25) });
  }
  return resources;
}

/** The resource as a file declares it. JSON is YAML. */
export function toYaml(resource: RandomResource): string {
  const fields = [
    ...resource.key.map((name) => [name, 'text']),
    ...resource.fields.map(({ name, kind, isOptional }) => [name, `${kind.type}${isOptional ? '?' : ''}`]),
    ...resource.parents.map(({ by, isOptional }) => [by, `text${isOptional ? '?' : ''}`]),
  ];
  const parents = resource.parents.map(({ name, resource: of, by, totals }) => {
    const formulas = Object.entries(totals).map(([total, sum]) => [total, sum === null ? 'count' : `sum(${sum})`]);
    return [name, { resource: of, by, totals: Object.fromEntries(formulas) }];
  });
  return JSON.stringify({
    name: resource.name,
    key: resource.key.length === 1 ? resource.key[0] : resource.key,
    fields: Object.fromEntries(fields),
    ...(parents.length > 0 && { parents: Object.fromEntries(parents) }),
    ...(resource.window !== null && { window: resource.window }),
    ...(resource.countsDuplicates && { duplicates: 'count' }),
  });
}
