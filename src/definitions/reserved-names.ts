import { type Definition, EXTERNAL_ID } from './definition.js';
import { snakeCase } from './field-names.js';
import type { ShapeFault } from './shape-fault.js';

/** What items of lists, and the parameters of lists, have besides fields. */
const TAKEN = ['id', 'created', 'updated', 'copies', 'limit', 'cursor', 'sort', 'q'];

/** First segments of our own paths: a resource's name is one too. */
const PATHS = [
  'accounts',
  'admin',
  'api',
  'assets',
  'audit',
  'cashflow',
  'changes',
  'claim-payments',
  'claims',
  'console',
  'docs',
  'health',
  'keys',
  'metrics',
  'openapi',
  'providers',
  'session',
  'sync',
  'transfers',
  'webhooks',
];

/** What is wrong with the names of a definition that are well-formed. */
export function faultsOfNames(definition: Definition): ShapeFault[] {
  return [...faultsOfPath(definition), ...faultsOfFields(definition), ...faultsOfParameters(definition)];
}

function faultsOfPath({ name }: Definition): ShapeFault[] {
  return PATHS.includes(name) ? [{ path: ['name'], detail: 'is a path of the server itself' }] : [];
}

function faultsOfFields({ fields, key }: Definition): ShapeFault[] {
  const spellings = new Map<string, string>(TAKEN.map((name) => [name, name]));
  // Without any field the key has a fault of its own.
  const isKey = key.length === 0 || (key.length === 1 && key[0] === EXTERNAL_ID);
  for (const spelling of isKey ? [] : spellingsOf(EXTERNAL_ID)) spellings.set(spelling, EXTERNAL_ID);
  return fields.flatMap(({ name }) => {
    const taken = spellingsOf(name)
      .map((spelling) => spellings.get(spelling))
      .find((other) => other !== undefined);
    for (const spelling of spellingsOf(name)) spellings.set(spelling, name);
    if (taken === undefined) return [];
    const detail = taken === name ? 'is a reserved name' : `is another spelling of ${taken}`;
    return [{ path: ['fields', name], detail }];
  });
}

/** Records may spell a field in both ways. */
export function spellingsOf(name: string): string[] {
  return [...new Set([name, snakeCase(name)])];
}

/** Of a list: two of them with one name would leave open which one is meant. */
function faultsOfParameters({ list }: Definition): ShapeFault[] {
  const ends = list.range.flatMap((name) => [`${name}_min`, `${name}_max`]);
  return list.filter
    .filter((name) => ends.includes(name))
    .map((name) => ({ path: ['list', 'filter'], detail: `names ${name}, which is a parameter of a range too` }));
}
