import { Refusal } from '../http/refusal.js';
import { compareValues, readBound } from './bounds.js';
import { type ColumnType, Fault } from './column-types.js';
import type { Definition, Field } from './definition.js';

/** The range of a field's values that a snapshot is complete for: `from` included, `to` excluded, as the type writes them. */
export interface Window {
  from: string;
  to: string;
}

/** The field by whose ranges a resource's snapshots may be complete. @throws Refusal 400 if it has none */
export function windowField(definition: Definition): Field {
  const field = definition.fields.find(({ name }) => name === definition.window);
  if (field) return field;
  throw Refusal.parameter('mode', `The resource ${definition.name} has no window field.`, 'no_window');
}

/** @throws Refusal 400 unless both bounds are given, are values of the field, and are in their order */
export function readWindow(definition: Definition, from: string | undefined, to: string | undefined): Window {
  const field = windowField(definition);
  const window = { from: boundOf(field, 'from', from), to: boundOf(field, 'to', to) };
  if (compareValues(field.type, window.from, window.to) < 0) return window;
  throw Refusal.parameter('from', 'from must be less than to: to is excluded.', 'empty_window');
}

function boundOf({ name, type }: Field, parameter: string, sent: string | undefined): string {
  if (sent === undefined) throw Refusal.parameter(parameter, `mode=window needs from and to, two values of ${name}.`);
  const bound = readBound(type, sent);
  if (bound instanceof Fault)
    throw Refusal.parameter(parameter, `${parameter} ${bound.detail}, as values of ${name} are.`);
  return bound;
}

/** Whether a value lies in a window. */
export function isInside(type: ColumnType, { from, to }: Window, value: string): boolean {
  return compareValues(type, from, value) <= 0 && compareValues(type, value, to) < 0;
}
