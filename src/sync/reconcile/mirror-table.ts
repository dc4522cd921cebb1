import { type EntityMetadata } from '@mikro-orm/core';
import type { MikroORM } from '@mikro-orm/postgresql';
import { identifier } from '../../platform/database.js';
import type { MirroredResource, MirroredResources } from '../mirrored-resource.js';

/** A record's field and the column that keeps it. All names of columns and tables are quoted already. */
export interface MirrorColumn {
  field: string;
  column: string;
  /** The column of the old value in the table of differences. */
  oldColumn: string;
  type: string;
}

/** How child rows hang on parent rows, in terms of columns. */
export interface LinkColumns {
  parentResource: string;
  parentTable: string;
  childTable: string;
  /** The child's column with the parent's external id. */
  keyColumn: string;
  /** The child's column with the parent's row id. */
  linkColumn: string;
  totals: { ofColumn: string; oldOfColumn: string; sumColumn: string; countColumn: string } | null;
}

/** Where a resource lives in the database, derived from its definition and the entity's metadata. */
export interface MirrorTable {
  table: string;
  /** For the creation of staging tables and comparisons: every field of the record but the external id. */
  columns: MirrorColumn[];
  /** Set where this resource's rows have a parent. */
  link: LinkColumns | null;
  /** The links of rows of other resources to rows of this one. */
  childLinks: LinkColumns[];
}

type Rules = { futureBirthDates: 'reject'; today: string };
/** Any rules will do to learn the names of a record's fields. */
const ANY_RULES: Rules = { futureBirthDates: 'reject', today: '2000-01-01' };

/** @throws if a definition names a property that its entity does not have: found at start, not at the first job */
export function mirrorTable(resource: MirroredResource, resources: MirroredResources, orm: MikroORM): MirrorTable {
  const meta = orm.getMetadata().get(resource.entity);
  const fields = Object.keys(resource.record(ANY_RULES).shape).filter((name) => name !== 'externalId');
  return {
    table: identifier(meta.tableName),
    columns: fields.map((name) => ({ field: name, ...columnOf(meta, resource.properties?.[name] ?? name) })),
    link: linkColumns(resource, resources, orm),
    childLinks: resources
      .childrenOf(resource)
      .map((child) => linkColumns(child, resources, orm))
      .filter((link) => link !== null),
  };
}

function linkColumns(child: MirroredResource, resources: MirroredResources, orm: MikroORM): LinkColumns | null {
  if (!child.parent) return null;
  const meta = orm.getMetadata().get(child.entity);
  const parent = orm.getMetadata().get(child.parent.entity);
  const totals = child.parent.totals;
  return {
    parentResource: resources.parentOf(child)?.name ?? '',
    parentTable: identifier(parent.tableName),
    childTable: identifier(meta.tableName),
    keyColumn: columnOf(meta, child.properties?.[child.parent.field] ?? child.parent.field).column,
    linkColumn: columnOf(meta, child.parent.reference).column,
    totals: totals
      ? {
          ofColumn: columnOf(meta, totals.of).column,
          oldOfColumn: columnOf(meta, totals.of).oldColumn,
          sumColumn: columnOf(parent, totals.sum).column,
          countColumn: columnOf(parent, totals.count).column,
        }
      : null,
  };
}

function columnOf(meta: EntityMetadata, property: string): Omit<MirrorColumn, 'field'> {
  const found = (meta.properties as Record<string, { fieldNames: string[]; columnTypes: string[] } | undefined>)[
    property
  ];
  const [column, type] = [found?.fieldNames[0], found?.columnTypes[0]];
  if (column === undefined || type === undefined) throw new Error(`${meta.className} has no property ${property}`);
  return { column: identifier(column), oldColumn: identifier(`old_${column}`), type };
}
