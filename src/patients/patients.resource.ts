import { defineResource } from '../definitions/define-resource.js';

/** Patients: people as the billing system knows them. */
export const patients = defineResource(
  {
    name: 'patients',
    fields: {
      firstName: 'text',
      middleName: 'text?',
      lastName: 'text',
      dateOfBirth: 'date?',
    },
  },
  {
    table: 'patient',
    checks: { firstName: notEmpty, lastName: notEmpty, dateOfBirth: birthDate },
    loggedTotal: 'paymentsTotal',
    example: {
      externalId: '5',
      firstName: 'Rick',
      lastName: 'Deckard',
      middleName: null,
      dateOfBirth: '1994-02-01',
    },
  },
);

function notEmpty(name: string): string | null {
  return name === '' ? 'must not be empty' : null;
}

/** After 1900 and, unless `FUTURE_BIRTH_DATES=accept`, not after today. In this notation days sort as text. */
function birthDate(day: string, rules: { futureBirthDates: 'reject' | 'accept'; today: string }): string | null {
  if (Number(day.slice(0, 4)) <= 1900) return 'must be after the year 1900';
  return rules.futureBirthDates === 'reject' && day > rules.today ? 'cannot be in the future' : null;
}
