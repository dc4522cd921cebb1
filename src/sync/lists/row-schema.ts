import { type Definition, EXTERNAL_ID } from '../../definitions/definition.js';
import type { Definitions } from '../../definitions/definitions.js';

/** The schema of a resource's rows in OpenAPI, as they leave. */
export function rowSchema(
  definition: Definition,
  definitions: Definitions,
): { type: 'object'; required: string[]; properties: Record<string, object>; additionalProperties: false } {
  const fields = definition.fields
    .filter(({ name }) => name !== EXTERNAL_ID)
    .map(({ name, type, isOptional }): [string, unknown] => [
      name,
      isOptional ? { oneOf: [type.schema, { type: 'null' }] } : type.schema,
    ]);
  const totals = definitions.childrenOf(definition).flatMap(({ definition: child, parent }) =>
    parent.totals.map(({ name, sumOf }): [string, unknown] => {
      return [name, child.fields.find((field) => field.name === sumOf)?.type.schema ?? { type: 'integer' }];
    }),
  );
  const time = { type: 'string', format: 'date-time' };
  const properties = Object.fromEntries([
    ['id', { type: 'integer' }],
    [EXTERNAL_ID, { type: 'string' }],
    ...fields,
    ...(definition.countsDuplicates ? [['copies', { type: 'integer' }] as [string, unknown]] : []),
    ...totals,
    ['created', time],
    ['updated', time],
  ]) as Record<string, object>;
  return { type: 'object', required: Object.keys(properties), properties, additionalProperties: false };
}
