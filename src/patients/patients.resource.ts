import { z } from 'zod';
import type { MirroredResource, RecordRules } from '../sync/mirrored-resource.js';
import { externalIdField, Fault, field, optionalTextField, textField } from '../sync/record-fields.js';
import { Patient } from './patient.entity.js';

/** Patients as a mirrored resource: what a record looks like and where it is kept. */
export const patients: MirroredResource = {
  name: 'patients',
  entity: Patient,
  record: (rules) =>
    z.object({
      externalId: externalIdField('External id'),
      firstName: textField('First name'),
      lastName: textField('Last name'),
      middleName: optionalTextField('Middle name'),
      dateOfBirth: birthDateField(rules),
    }),
  example: {
    externalId: '5',
    firstName: 'Rick',
    lastName: 'Deckard',
    middleName: null,
    dateOfBirth: '1994-02-01',
  },
};

/** A real calendar day after 1900 and, unless `FUTURE_BIRTH_DATES=accept`, not after today; or null, or absent. */
function birthDateField(rules: RecordRules) {
  return field((value) => {
    if (value === undefined || value === null) return null;
    if (typeof value !== 'string' || !isCalendarDay(value)) {
      return new Fault('Date of birth must be a calendar day as YYYY-MM-DD');
    }
    if (Number(value.slice(0, 4)) <= 1900) return new Fault('Date of birth must be after the year 1900');
    // In this notation days sort as text.
    if (rules.futureBirthDates === 'reject' && value > rules.today) {
      return new Fault('Date of birth cannot be in the future');
    }
    return value;
  });
}

function isCalendarDay(text: string): boolean {
  const match = /^(\d{4})-(\d{2})-(\d{2})$/.exec(text);
  if (!match) return false;
  const [year, month, day] = [Number(match[1]), Number(match[2]), Number(match[3])];
  const leap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
  const days = [31, leap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1];
  return days !== undefined && day >= 1 && day <= days;
}
