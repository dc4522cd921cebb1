/** The fields of a line, as faults name them, and in the order in which faults are reported. */
export const LINE_FIELDS = [
  'service_date',
  'submitted_procedure',
  'quadrant',
  'plan_group_number',
  'subscriber_number',
  'provider_npi',
  'provider_fees',
  'allowed_fees',
  'member_coinsurance',
  'member_copay',
] as const;
export type LineField = (typeof LINE_FIELDS)[number];

/** The claim's id in the sender's system. It may be next to the lines or in each of them. */
export const EXTERNAL_ID = 'external_claim_id';

export type ClaimField = LineField | typeof EXTERNAL_ID;

export const FEE_FIELDS = ['provider_fees', 'allowed_fees', 'member_coinsurance', 'member_copay'] as const;

/** A Map, since an object would also find inherited names such as `constructor`. */
const FIELDS = new Map(([...LINE_FIELDS, EXTERNAL_ID] as const).map((field) => [plain(field), field] as const));

/**
 * Finds the field with a name, or null. `Provider NPI`, `provider-npi`, `PROVIDER_NPI` and `providerNpi` are the same; `#`
 * is read as `number`, so `Plan/Group #` is `plan_group_number`.
 */
export function fieldNamed(name: string): ClaimField | null {
  return FIELDS.get(plain(name)) ?? null;
}

/** Whether a name is a spelling of `lines`. */
export function namesLines(name: string): boolean {
  return plain(name) === 'lines';
}

function plain(name: string): string {
  return name
    .toLowerCase()
    .replaceAll('#', 'number')
    .replaceAll(/[\s_/-]/g, '');
}
