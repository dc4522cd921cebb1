import { InvalidArgumentError } from 'commander';
import { SCOPES, type Scope } from '../http/caller.js';
import { isSourceName } from '../values/source-name.js';
import { ANY_SOURCE } from './key-list.js';

const NAME = /^[A-Za-z0-9][A-Za-z0-9._@-]{0,62}$/;

const DAY_MS = 24 * 60 * 60 * 1000;

/** The name of a key. */
export function nameOf(text: string): string {
  if (NAME.test(text)) return text;
  throw new InvalidArgumentError('It must be 1 to 63 letters, digits, dots, _, @ and -.');
}

/** The name of a source, or `*` for any. */
export function sourceOf(text: string): string {
  if (text === ANY_SOURCE || isSourceName(text)) return text;
  throw new InvalidArgumentError(`It must be 1 to 63 letters, digits, dots, _ and -, or ${ANY_SOURCE} for any.`);
}

/** Comma-separated scopes, in their fixed order and without duplicates. */
export function scopesOf(text: string): Scope[] {
  const names = text.split(',').map((name) => name.trim());
  const unknown = names.find((name) => !SCOPES.some((scope) => scope === name));
  if (unknown === undefined) return SCOPES.filter((scope) => names.includes(scope));
  throw new InvalidArgumentError(`There is no scope "${unknown}". The scopes are ${SCOPES.join(', ')}.`);
}

/** The instant at which a day ends in UTC. */
export function endOfDay(text: string): Date {
  const day = /^\d{4}-\d{2}-\d{2}$/.test(text) ? new Date(`${text}T00:00:00Z`) : new Date(NaN);
  // A day that the month does not have, such as 2027-02-30, is parsed as one of the next month.
  if (Number.isNaN(day.getTime()) || day.toISOString().slice(0, 10) !== text) {
    throw new InvalidArgumentError('It must be a date such as 2027-01-31.');
  }
  const end = new Date(day.getTime() + DAY_MS);
  if (end.getTime() > Date.now()) return end;
  throw new InvalidArgumentError('It must not be past.');
}
