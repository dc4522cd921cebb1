/** The resources of a source, in the order in which they are asked for. */
export const PULLED = ['companies', 'exchange-rates', 'sepa', 'swift'] as const;
export type Pulled = (typeof PULLED)[number];

/** The two kinds of transactions, which are asked for side by side. */
export const RAILS = ['sepa', 'swift'] as const;

/** How a field is written: `ibans` in braces is how PostgreSQL writes a list as text, the other way is Python's. */
export type FieldKind = 'text' | 'number' | 'instant' | 'list' | 'list in braces' | 'list of Python';

/** Where a field is in a row: a name, or two, one within the other. */
export interface FieldPlace {
  path: readonly [string] | readonly [string, string];
  kind: FieldKind;
  isOptional?: true;
}

/**
 * What asks for the next answer:
 * - `none`: there is one answer.
 * - `given`: each answer gives a cursor for the next one, which can be asked for again.
 * - `kept`: the source remembers where it is, and moves on by itself.
 * - `page`: the last row of each answer asks for the next one; an empty answer is the end.
 */
export type Paging =
  | { by: 'none' }
  | { by: 'given'; parameter: string; field: string }
  | { by: 'kept' }
  | { by: 'page'; limit: number; after: readonly (readonly [parameter: string, field: string])[] };

/** How one resource is asked for, and what its answers look like. */
export interface Form {
  path: string;
  paging: Paging;
  /** The field of an object that holds the rows, as a list or as its text; null: the answer is a list of rows. */
  rows: string | null;
  /** The fields beside the rows that tell the bounds of a window. */
  bounds?: { from: string; to: string };
  /** Days of a window whose bounds are not told, and a day on which one begins. */
  windows?: { days: number; origin: string };
  fields: Readonly<Record<string, FieldPlace>>;
}

export type Dialect = Readonly<Record<Pulled, Form>>;

export const DIALECTS = ['own', 'glued', 'paged'] as const;
export type DialectName = (typeof DIALECTS)[number];

const field = (name: string, kind: FieldKind = 'text'): FieldPlace => ({ path: [name], kind });
const maybe = (name: string, kind: FieldKind = 'text'): FieldPlace => ({ path: [name], kind, isOptional: true });

/** What companies may have besides their id and IBANs. */
const OF_COMPANIES = {
  name: field('name'),
  owner: maybe('owner'),
  address: maybe('address'),
  statedBalance: maybe('balance', 'number'),
};

const OF_RATES = {
  currency: field('currency'),
  eurRate: maybe('eur_rate', 'number'),
  usdRate: maybe('usd_rate', 'number'),
};

/** Windows of both kinds have five days. The first ones begin with the year. */
const WINDOWS = { days: 5, origin: '2018-01-01' };

const OWN_FIELDS = {
  transactionId: field('id'),
  payerIban: field('payer_iban'),
  beneficiaryIban: field('beneficiary_iban'),
  amount: field('amount', 'number'),
  currency: maybe('currency'),
  timestamp: field('timestamp', 'instant'),
};

const OWN = {
  paging: { by: 'given', parameter: 'cursor', field: 'nextCursor' },
  rows: 'transactions',
  bounds: { from: 'from', to: 'to' },
  windows: WINDOWS,
  fields: OWN_FIELDS,
} as const;

const GLUED_FIELDS = {
  transactionId: field('id'),
  payerIban: field('sender'),
  beneficiaryIban: field('beneficiary'),
  amount: { path: ['amount', 'Float'], kind: 'number' },
  currency: maybe('currency'),
  timestamp: field('time', 'instant'),
} as const;

const GLUED = { paging: { by: 'kept' }, windows: WINDOWS, fields: GLUED_FIELDS } as const;

/** Rows of one time and id come in one page, so pages may be longer. */
const PAGE_ROWS = 1_000;

const PAGED = {
  paging: {
    by: 'page',
    limit: PAGE_ROWS,
    after: [
      ['after-timestamp', 'timestamp'],
      ['after-uuid', 'uuid'],
    ],
  },
  rows: null,
} as const;

const pagedFields = (payer: string, beneficiary: string) => ({
  transactionId: field('id'),
  payerIban: field(payer),
  beneficiaryIban: field(beneficiary),
  amount: field('amount', 'number'),
  currency: maybe('currency'),
  timestamp: field('timestamp', 'instant'),
});

const RATES = { paging: { by: 'none' }, rows: null, fields: OF_RATES } as const;

/** All that dialects differ in: paths, parameters, and the names of fields. Nothing else asks which dialect it is. */
const TABLE: Readonly<Record<DialectName, Dialect>> = {
  own: {
    companies: {
      path: '/company_info',
      paging: { by: 'none' },
      rows: null,
      fields: { externalId: field('id'), ibans: field('ibans', 'list'), ...OF_COMPANIES },
    },
    'exchange-rates': { path: '/exchange_rates', ...RATES },
    sepa: { path: '/sepa', ...OWN },
    swift: { path: '/swift', ...OWN },
  },
  glued: {
    companies: {
      path: '/company_info',
      paging: { by: 'none' },
      rows: 'company_info',
      fields: { externalId: field('companyID'), ibans: field('ibans', 'list in braces'), ...OF_COMPANIES },
    },
    'exchange-rates': { path: '/exchange_rates', ...RATES },
    sepa: { path: '/sepa', rows: 'sepa_transactions', ...GLUED },
    swift: { path: '/swift', rows: 'swift_transactions', ...GLUED },
  },
  paged: {
    companies: {
      path: '/companies',
      paging: { by: 'page', limit: PAGE_ROWS, after: [['after-id', 'id']] },
      rows: null,
      fields: { externalId: field('id'), ibans: field('ibans', 'list of Python'), ...OF_COMPANIES },
    },
    'exchange-rates': { path: '/exchange-rates', ...RATES },
    sepa: { path: '/transactions/sepa', ...PAGED, fields: pagedFields('payer', 'receiver') },
    swift: { path: '/transactions/swift', ...PAGED, fields: pagedFields('sender', 'beneficiary') },
  },
};

export function dialectOf(name: DialectName): Dialect {
  return TABLE[name];
}
