import type { Use } from './column-types.js';
import { EXTERNAL_ID, type Field } from './definition.js';

/** What a field of an unfit type cannot do. */
const CANNOT: Record<Use, string> = {
  key: 'be a key',
  parent: 'name a parent',
  filter: 'be filtered by',
  range: 'have a range',
  search: 'be searched',
  sort: 'be sorted by',
  sum: 'be summed',
  window: 'be a window',
};

/** It has no column of its own. */
const USES_OF_EXTERNAL_ID: ReadonlySet<Use> = new Set(['key', 'filter', 'search', 'sort']);

/** Why a field cannot serve for that, as the end of a sentence that begins with the place that names it; null if it can. */
export function faultOfUse({ name, type }: Field, use: Use): string | null {
  if (!type.uses.has(use)) return `names ${name}, and a field of type ${type.name} cannot ${CANNOT[use]}`;
  if (name === EXTERNAL_ID && !USES_OF_EXTERNAL_ID.has(use)) {
    return `names ${name}, which is kept as a text and cannot ${CANNOT[use]}`;
  }
  return null;
}
