import type { Definition, OwnCode } from './definition.js';
import { readShape } from './read-shape.js';
import type { ResourceShape } from './resource-shape.js';

/**
 * A resource that is written in TypeScript: the same shape as in YAML, and what only code can add.
 * @throws Error with every fault, at the load of the program
 */
export function defineResource(shape: ResourceShape, own: OwnCode = {}): Definition {
  const { definition, faults } = readShape(shape, own);
  if (definition === null) throw new Error(faults.map(({ path, detail }) => `${path.join('.')} ${detail}`).join('\n'));
  return definition;
}
