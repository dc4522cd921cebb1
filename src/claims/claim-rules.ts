import { FEE_FIELDS, type LineField } from './line-fields.js';
import { isNegativeFee, readCents } from './fees.js';
import { readServiceDate } from './service-date.js';

/** A rule for the values of some fields. It applies to trimmed text of 1 to {@link MAX_CHARACTERS} characters only. */
export interface ClaimRule {
  /** The `code` of a violation. */
  name: string;
  fields: readonly LineField[];
  check: (value: string) => boolean;
  /** The detail of a violation. It follows the field's name and never contains the value. */
  message: string;
}

/** The most characters of any value. A longer one is refused before any rule sees it. */
export const MAX_CHARACTERS = 250;

const NPI = /^\d{10}$/;

/** The basic rules, which apply to every claim. To add a rule, add an entry here. */
const BASIC: readonly ClaimRule[] = [
  {
    name: 'invalid_service_date',
    fields: ['service_date'],
    check: (value) => readServiceDate(value) !== null,
    message: 'must be a day and time such as 3/28/18 0:00 or 2018-03-28T00:00:00, from 1900 to the end of next year',
  },
  {
    name: 'invalid_procedure',
    fields: ['submitted_procedure'],
    check: (value) => value.startsWith('D'),
    message: 'must begin with D',
  },
  {
    name: 'invalid_npi',
    fields: ['provider_npi'],
    check: (value) => NPI.test(value),
    message: 'must have exactly 10 digits',
  },
  {
    name: 'negative_amount',
    fields: FEE_FIELDS,
    check: (value) => !isNegativeFee(value),
    message: 'must not be negative',
  },
  {
    name: 'invalid_amount',
    fields: FEE_FIELDS,
    check: (value) => isNegativeFee(value) || readCents(value) !== null,
    message:
      'must be an amount such as $1,250.00: at most 13 digits before the point and 2 after it, commas between thousands',
  },
];

/** Areas of the mouth and quadrants as ISO 3950 and the ADA's claim form number them, and quadrants by letters. */
const QUADRANTS = new Set(['UR', 'UL', 'LR', 'LL', '00', '01', '02', '10', '20', '30', '40']);

/** The rules that apply in addition with `CLAIM_RULES=strict`. */
const STRICTER: readonly ClaimRule[] = [
  {
    name: 'wrong_npi_check_digit',
    fields: ['provider_npi'],
    check: (value) => !NPI.test(value) || hasCheckDigit(value),
    message: 'must end with the check digit of its other digits',
  },
  {
    name: 'invalid_procedure_form',
    fields: ['submitted_procedure'],
    check: (value) => /^D\d{4}$/.test(value),
    message: 'must be a CDT code: D and four digits',
  },
  {
    name: 'unknown_quadrant',
    fields: ['quadrant'],
    check: (value) => QUADRANTS.has(value.toUpperCase()),
    message: `must be one of ${[...QUADRANTS].join(', ')}`,
  },
];

/** @returns the rules for a value of the setting `CLAIM_RULES` */
export function rulesOf(setting: 'basic' | 'strict'): readonly ClaimRule[] {
  return setting === 'strict' ? [...BASIC, ...STRICTER] : BASIC;
}

/**
 * The Luhn formula over the NPI with the prefix 80840, which stands for the health industry of the United States (45 CFR
 * 162.406; the check digit is described in the final rule on the NPI, 69 FR 3434).
 */
function hasCheckDigit(npi: string): boolean {
  const digits = [...`80840${npi}`].map(Number).toReversed();
  const sum = digits.reduce((total, digit, place) => {
    const counted = place % 2 === 0 ? digit : digit * 2;
    return total + (counted > 9 ? counted - 9 : counted);
  }, 0);
  return sum % 10 === 0;
}
