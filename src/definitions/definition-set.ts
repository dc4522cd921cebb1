import type { Definition, Parent } from './definition.js';
import { snakeCase } from './field-names.js';
import type { ShapeFault } from './shape-fault.js';

/** Tables, indexes and statements have room for so many. */
const MAX_RESOURCES = 200;

/** A fault that shows only beside other definitions. */
export interface SetFault extends ShapeFault {
  definition: Definition;
}

/** A total as a child declares it for the rows of a parent. */
interface DeclaredTotal {
  definition: Definition;
  parent: Parent;
  name: string;
  /** The parents' resource, and the name in snake_case: two totals with the same are one name. */
  place: string;
}

/**
 * What is wrong with definitions beside each other: with their names, and with what they refer to. Those with faults of their own
 * may be among them, as far as they could be read.
 * @param fileOf the file that declares a definition; null for one that comes along
 */
export function faultsOfSet(
  definitions: readonly Definition[],
  fileOf: (definition: Definition) => string | null,
): SetFault[] {
  const named = Map.groupBy(
    definitions.filter(({ name }) => name !== ''),
    ({ name }) => name,
  );
  const byName = new Map([...named].flatMap(([name, [first]]) => (first ? [[name, first] as const] : [])));
  const faults = [...named.values()].flatMap((same) => faultsOfNames(same, fileOf));
  for (const definition of definitions.slice(MAX_RESOURCES)) {
    faults.push(fault(definition, ['name'], `is one resource more than the ${MAX_RESOURCES} that are possible`));
  }
  return [
    ...faults,
    ...definitions.flatMap((definition) => faultsOfParents(definition, byName)),
    ...faultsOfTotals(definitions, byName),
  ].filter(({ definition }) => fileOf(definition) !== null);
}

/** Each of those with one name is at fault: which one was meant to have it we cannot know. */
function faultsOfNames(same: Definition[], fileOf: (definition: Definition) => string | null): SetFault[] {
  if (same.length === 1) return [];
  return same.map((definition) => {
    const others = same.filter((other) => other !== definition).map((other) => fileOf(other));
    const file = others.find((other) => other !== null);
    const owner = others.includes(null) ? 'that of a resource that comes along' : `the same as in ${file}`;
    return fault(definition, ['name'], `is ${owner}`);
  });
}

function faultsOfParents(definition: Definition, byName: ReadonlyMap<string, Definition>): SetFault[] {
  return definition.parents
    .filter(({ resource }) => resource !== '' && !byName.has(resource))
    .map(({ name, resource }) =>
      fault(definition, ['parents', name, 'resource'], `names ${resource}, and there is no such resource`),
    );
}

/** Totals are shown beside the parent's fields. In another spelling a name is the same one, as it is for fields. */
function faultsOfTotals(definitions: readonly Definition[], byName: ReadonlyMap<string, Definition>): SetFault[] {
  const declared = definitions.flatMap((definition) =>
    definition.parents.flatMap((parent) =>
      parent.totals.map(({ name }): DeclaredTotal => {
        return { definition, parent, name, place: `${parent.resource}.${snakeCase(name)}` };
      }),
    ),
  );
  const byPlace = Map.groupBy(declared, ({ place }) => place);
  return declared.flatMap((total) => {
    const { definition, parent, name, place } = total;
    const other = byPlace.get(place)?.find((each) => each !== total);
    const taken = whoHas(snakeCase(name), byName.get(parent.resource)) ?? (other ? whatIs(total, other) : null);
    return taken === null ? [] : [fault(definition, ['parents', parent.name, 'totals', name], taken)];
  });
}

function whoHas(spelling: string, owner: Definition | undefined): string | null {
  if (ITEM.includes(spelling)) return 'is a reserved name';
  const field = owner?.fields.find(({ name }) => snakeCase(name) === spelling);
  return field ? `is the name of a field of ${owner?.name}` : null;
}

function whatIs({ definition, parent }: DeclaredTotal, other: DeclaredTotal): string {
  return other.definition === definition && other.parent === parent
    ? `is another spelling of ${other.name}`
    : `is also the name of a total of ${parent.resource} that ${other.definition.name} declares`;
}

const ITEM = ['id', 'source_id', 'external_id', 'created', 'updated', 'copies'];

function fault(definition: Definition, path: string[], detail: string): SetFault {
  return { definition, path, detail };
}
