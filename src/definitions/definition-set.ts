import type { Definition } from './definition.js';
import { snakeCase } from './field-names.js';
import type { ShapeFault } from './shape-fault.js';

/** Tables, indexes and statements have room for so many. */
const MAX_RESOURCES = 200;

/** A fault that shows only beside other definitions. */
export interface SetFault extends ShapeFault {
  definition: Definition;
}

/** What is wrong with definitions that are each well-formed: with their names, and with what they refer to. */
export function faultsOfSet(definitions: readonly Definition[]): SetFault[] {
  const byName = new Map<string, Definition>();
  const faults: SetFault[] = [];
  for (const definition of definitions) {
    if (byName.has(definition.name)) faults.push(fault(definition, ['name'], 'is the name of another resource'));
    else byName.set(definition.name, definition);
  }
  if (definitions.length > MAX_RESOURCES) {
    for (const definition of definitions.slice(MAX_RESOURCES)) {
      faults.push(fault(definition, ['name'], `is one resource more than the ${MAX_RESOURCES} that are possible`));
    }
  }
  return [
    ...faults,
    ...definitions.flatMap((definition) => faultsOfParents(definition, byName)),
    ...faultsOfTotals(definitions, byName),
  ];
}

function faultsOfParents(definition: Definition, byName: Map<string, Definition>): SetFault[] {
  return definition.parents
    .filter(({ resource }) => !byName.has(resource))
    .map(({ name, resource }) =>
      fault(definition, ['parents', name, 'resource'], `names ${resource}, which is no resource`),
    );
}

/** Totals are shown beside the parent's fields. In another spelling a name is the same one, as it is for fields. */
function faultsOfTotals(definitions: readonly Definition[], byName: Map<string, Definition>): SetFault[] {
  const taken = new Set<string>();
  return definitions.flatMap((definition) =>
    definition.parents.flatMap(({ name: parent, resource, totals }) =>
      totals.flatMap(({ name }) => {
        const owner = byName.get(resource);
        const path = ['parents', parent, 'totals', name];
        const spelling = snakeCase(name);
        const fields = owner?.fields.map((field) => snakeCase(field.name)) ?? [];
        const isTaken = [...ITEM, ...fields].includes(spelling) || taken.has(`${resource}.${spelling}`);
        taken.add(`${resource}.${spelling}`);
        return isTaken ? [fault(definition, path, `is a name that ${resource} have already`)] : [];
      }),
    ),
  );
}

const ITEM = ['id', 'source_id', 'external_id', 'created', 'updated', 'copies'];

function fault(definition: Definition, path: string[], detail: string): SetFault {
  return { definition, path, detail };
}
