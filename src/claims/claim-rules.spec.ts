import { describe, expect, it } from '@jest/globals';
import { rulesOf } from './claim-rules.js';
import { fieldNamed, type LineField } from './line-fields.js';

const breaches = (setting: 'basic' | 'strict', field: LineField, value: string) =>
  rulesOf(setting)
    .filter(({ fields, check }) => fields.includes(field) && !check(value))
    .map(({ name }) => name);

describe('the strict rules', () => {
  it.each<[LineField, string, string[]]>([
    ['provider_npi', '1234567893', []],
    ['provider_npi', '1245319599', []],
    ['provider_npi', '1234567890', ['wrong_npi_check_digit']],
    ['provider_npi', '1234567983', ['wrong_npi_check_digit']],
    ['provider_npi', '123456789', ['invalid_npi']],
    ['submitted_procedure', 'D0180', []],
    ['submitted_procedure', 'D018', ['invalid_procedure_form']],
    ['submitted_procedure', 'D01800', ['invalid_procedure_form']],
    ['submitted_procedure', '0180', ['invalid_procedure', 'invalid_procedure_form']],
    ['quadrant', 'UR', []],
    ['quadrant', 'll', []],
    ['quadrant', '40', []],
    ['quadrant', 'XX', ['unknown_quadrant']],
  ])('%s %s: %j', (field, value, expected) => {
    expect(breaches('strict', field, value)).toEqual(expected);
  });
});

describe('the basic rules', () => {
  it.each<[LineField, string]>([
    ['provider_npi', '0000000000'],
    ['submitted_procedure', 'D'],
    ['quadrant', 'anywhere'],
  ])('accept %s %s', (field, value) => {
    expect(breaches('basic', field, value)).toEqual([]);
  });
});

describe('the name of a field', () => {
  it.each([
    ['service date', 'service_date'],
    ['Plan/Group #', 'plan_group_number'],
    ['PlanGroupNumber', 'plan_group_number'],
    [' plan-group_Number ', 'plan_group_number'],
    ['Subscriber#', 'subscriber_number'],
    ['Provider NPI', 'provider_npi'],
    ['Allowed fees', 'allowed_fees'],
    ['externalClaimId', 'external_claim_id'],
    ['plan group', null],
    ['constructor', null],
    ['__proto__', null],
    ['', null],
  ])('“%s” means %s', (name, field) => {
    expect(fieldNamed(name)).toBe(field);
  });
});
