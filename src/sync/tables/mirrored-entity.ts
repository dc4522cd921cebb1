import type { Constructor } from '@mikro-orm/core';
import { Entity } from '@mikro-orm/decorators/legacy';
import { MirroredRow } from './mirrored-row.entity.js';

/**
 * What the ORM knows of a resource's rows: an entity that is named like the resource, and has what every mirrored table has.
 * The fields are not among its properties, as values would be rounded on their way through the ORM: instants to
 * milliseconds, large numbers to doubles.
 */
export function mirroredEntity(resource: string, tableName: string): Constructor<MirroredRow> {
  class Row extends MirroredRow {}
  Object.defineProperty(Row, 'name', { value: resource });
  Entity({ tableName })(Row);
  return Row;
}
