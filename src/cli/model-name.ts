import { Failure } from './failure.js';

/**
 * Finds the resource that a user names in singular or plural: `patient`, `patients`, `Exchange_Rate`.
 * @throws Failure that lists the resources
 */
export function findResource(modelName: string, resources: string[]): string {
  const wanted = modelName.trim().toLowerCase().replaceAll('_', '-');
  const found = resources.find((resource) => wanted === resource || wanted === singular(resource));
  if (found) return found;
  const known = resources.map((resource) => singular(resource)).join(', ');
  throw new Failure(`There is no model "${modelName}". The models are: ${known}.`);
}

/** `companies` → `company`, `patients` → `patient`, `sepa` → `sepa`. */
function singular(resource: string): string {
  return resource.replace(/ies$/, 'y').replace(/s$/, '');
}
