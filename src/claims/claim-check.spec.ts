import { describe, expect, it } from '@jest/globals';
import { Refusal } from '../http/refusal.js';
import { ClaimCheck, MAX_REPORTED_FAULTS } from './claim-check.js';
import { rulesOf } from './claim-rules.js';
import { readCsvClaim, readJsonClaim, type SentClaim } from './sent-claim.js';

const MAX_LINES = 10_000;

function refusalOf(read: () => SentClaim): Refusal {
  try {
    ClaimCheck.check(read(), rulesOf('basic'));
  } catch (error) {
    if (error instanceof Refusal) return error;
    throw error;
  }
  throw new Error('it was not refused');
}

describe('the faults of a claim', () => {
  // 90,000 faults in each of 24 concurrent claims used up all the memory of a process.
  it('are reported up to a limit, and only counted beyond it', () => {
    const { detail, errors } = refusalOf(() => readJsonClaim(`[${'{},'.repeat(MAX_LINES - 1)}{}]`, MAX_LINES));

    expect(detail).toBe(
      'Nothing of the claim is stored: there are 90000 faults in it, of which the first 10000 are told.',
    );
    expect(errors).toHaveLength(MAX_REPORTED_FAULTS);
    expect(errors.at(-1)).toEqual({
      pointer: '/1111/service_date',
      code: 'missing_field',
      detail: 'service_date is required',
    });
  });

  it('are all reported below the limit', () => {
    const { detail, errors } = refusalOf(() => readJsonClaim('[{}]', MAX_LINES));

    expect(detail).toBe('Nothing of the claim is stored: there are 9 faults in it.');
    expect(errors).toHaveLength(9);
  });
});

describe('the columns of a table', () => {
  // Five million cells of unknown columns were kept until the end.
  it('that are unknown are dropped row by row', () => {
    const empty = ','.repeat(500);
    const { lines } = readCsvClaim(`quadrant${empty}\n${`UR${empty}\n`.repeat(3)}`, MAX_LINES);

    expect(lines).toEqual(Array.from({ length: 3 }, () => ({ fields: [['quadrant', 'UR']] })));
  });

  it('that name the same field are one fault, however many there are', () => {
    const { errors } = refusalOf(() => readCsvClaim('quadrant,Quadrant,QUADRANT\nUR,UL,LR\n', MAX_LINES));

    expect(errors).toContainEqual({
      pointer: '/0/quadrant',
      code: 'duplicate_field',
      detail: 'quadrant is there twice',
    });
    expect(errors).toHaveLength(10);
  });

  it('are read from rows that are not empty: empty rows are no lines and do not count toward the limit', () => {
    const { lines } = readCsvClaim(`\n,\nquadrant,x\n${',\n'.repeat(9)}UR,\n`, 1);

    expect(lines).toHaveLength(1);
    expect(refusalOf(() => readCsvClaim('quadrant\nUR\nUR\n', 1)).errors).toMatchObject([{ code: 'too_many_lines' }]);
  });
});
