import type { Constructor } from '@mikro-orm/core';
import { type ColumnType, INTEGER } from '../../definitions/column-types.js';
import { COPIES, type Definition, type Field, type Parent, storedFields } from '../../definitions/definition.js';
import { Definitions } from '../../definitions/definitions.js';
import { snakeCase } from '../../definitions/field-names.js';
import { identifier } from '../../database/database.js';
import { Refusal } from '../../http/refusal.js';
import { mirroredEntity } from './mirrored-entity.js';
import type { MirroredRow } from './mirrored-row.entity.js';

/**
 * A field and the column that keeps it. All names of columns and tables are quoted already. Those of the engine's own
 * columns in staging tables and differences begin with `$`, which no field's name can.
 */
export interface MirrorColumn {
  field: string;
  column: string;
  /** The column of the old value in the table of differences. */
  oldColumn: string;
  type: ColumnType;
}

/** What every mirrored table has. The column of a field with such a name has a `$` behind it, which no other can have. */
export const ENGINE_COLUMNS = ['id', 'source_id', 'external_id', 'created', 'updated', 'deleted_at'];

/** PostgreSQL's own columns of every table. */
const SYSTEM_COLUMNS = ['tableoid', 'xmin', 'cmin', 'xmax', 'cmax', 'ctid'];

/** A column for what the resource's own code finds out about a row. */
export interface DerivedColumn {
  column: string;
  type: string;
}

/** How the rows of a resource hang on those of a parent. */
export interface Link {
  parent: Parent;
  /** The table of the parents, and their rows of the current source: see {@link MirrorTable.view}. */
  parentTable: string;
  parentView: string;
  /** The column with the parent's external id, and the one with its row id: null while that parent is not live. */
  by: MirrorColumn;
  linkColumn: string;
  /** The row id before and after, in the table of differences. */
  oldLink: string;
  newLink: string;
}

/** The sums and counts that the parents of one resource have of the rows of another one. */
export interface ParentTotals {
  /** The parents' resource, and the table with the totals of those that are live by row id. */
  resource: string;
  table: string;
  totals: TotalColumn[];
  /** The column whose earlier values are logged, as lists are sorted by it. */
  logged: string | null;
}

/** A total as the rows of a parent have it: of the children that name it by this link. */
export interface OwnTotal {
  name: string;
  column: string;
  child: MirrorTable;
  link: Link;
  sumOf: MirrorColumn | null;
}

export interface TotalColumn {
  name: string;
  column: string;
  link: Link;
  /** The child's column that is summed; null for the number of children. */
  sumOf: MirrorColumn | null;
}

/** Where a resource lives in the database: all of it follows from the definition. */
export class MirrorTable {
  readonly tableName: string;
  readonly entity: Constructor<MirroredRow>;
  readonly table: string;
  /** The rows of the current source, for queries by conditions that row-level security keeps from indexes. */
  readonly view: string;
  /** The totals of the live rows by row id. There is such a table if a child has totals. */
  readonly totalsTable: string;
  /** Those of the current source, as {@link MirrorTable.view}: only where a migration has made it for lists sorted by a total. */
  readonly totalsView: string;
  /** What names a row of it: where lists are sorted by a total also the external id, which breaks ties in its index. */
  readonly totalsKey: readonly string[];
  /** Of every field of the record but the external id; last the number of copies, if duplicates are counted. */
  readonly columns: MirrorColumn[];
  readonly derived: DerivedColumn[];
  /** To this resource's parents. */
  links: Link[] = [];
  /** By the resources of its parents that have totals of it. */
  parentTotals: ParentTotals[] = [];
  /** Those whose rows hang on rows of this one, each with the link by which they do; one may do so by several. */
  children: { mirror: MirrorTable; link: Link }[] = [];
  /** What the rows tell of their children. */
  totals: OwnTotal[] = [];

  constructor(readonly definition: Definition) {
    this.tableName = definition.own.table ?? `mirrored_${definition.name}`;
    this.entity = mirroredEntity(definition.name, this.tableName);
    this.table = identifier(this.tableName);
    this.view = identifier(`${this.tableName}_of_source`);
    this.totalsTable = identifier(`${this.tableName}_totals`);
    this.totalsView = identifier(`${this.tableName}_totals_of_source`);
    this.totalsKey = ['source_id', 'id', ...(definition.own.loggedTotal === undefined ? [] : ['external_id'])];
    this.columns = storedFields(definition).map((field, index) => this.columnOf(field, index));
    if (definition.countsDuplicates) this.columns.push(copiesColumn(this.columns.length));
    this.derived = Object.entries(definition.own.derived ?? {}).map(([name, type]) => ({
      column: identifier(name),
      type,
    }));
  }

  get resource(): string {
    return this.definition.name;
  }

  /** Whether it comes along, so that its table is made by migrations. */
  get isBundled(): boolean {
    return this.definition.own.table !== undefined;
  }

  /** @throws if there is none: the reading of definitions has checked all names */
  column(field: string): MirrorColumn {
    const found = this.columns.find((column) => column.field === field);
    if (!found) throw new Error(`${this.resource} has no field ${field}`);
    return found;
  }

  /**
   * SQL: whether a row waits for no parent, which is so if each that it names is live. Rows without parents never wait.
   * @param by the column with the external id, and `link` the one with the row id, of each link as they are called there
   */
  isResolved(by: (link: Link) => string, link: (link: Link) => string, links = this.links): string {
    const conditions = links.map((each) => {
      const isLive = `${link(each)} is not null`;
      return this.mayNameNone(each) ? `(${by(each)} is null or ${isLive})` : isLive;
    });
    return conditions.length === 0 ? 'true' : `(${conditions.join(' and ')})`;
  }

  /** The same of the row `alias` of the mirrored table. */
  isRowResolved(alias: string): string {
    return this.isResolved(
      ({ by }) => `${alias}.${by.column}`,
      ({ linkColumn }) => `${alias}.${linkColumn}`,
    );
  }

  private mayNameNone({ by }: Link): boolean {
    return this.definition.fields.some(({ name, isOptional }) => name === by.field && isOptional);
  }

  private columnOf({ name, type }: Field, index: number): MirrorColumn {
    const { columns } = this.definition.own;
    const column = this.isBundled ? (columns?.[name] ?? snakeCase(name)) : columnName(name);
    return { field: name, column: identifier(column), oldColumn: identifier(`$old${index + 1}`), type };
  }
}

/** A name that a column of the engine or of PostgreSQL has gets a `$` behind it. */
function columnName(name: string): string {
  return [...ENGINE_COLUMNS, ...SYSTEM_COLUMNS].includes(name) ? `${name}$` : name;
}

/** How many identical records a row stands for, as a column like those of fields. */
function copiesColumn(index: number): MirrorColumn {
  return { field: COPIES, column: identifier(COPIES), oldColumn: identifier(`$old${index + 1}`), type: INTEGER };
}

/** The tables of all resources. */
export class MirrorTables {
  private readonly byName: Map<string, MirrorTable>;

  constructor(readonly definitions: Definitions) {
    this.byName = new Map(definitions.all.map((definition) => [definition.name, new MirrorTable(definition)]));
    for (const mirror of this.all) this.link(mirror);
    for (const mirror of this.all) {
      mirror.parentTotals = parentTotals(mirror, (name) => this.of(name));
      for (const link of mirror.links) this.of(link.parent.resource).children.push({ mirror, link });
    }
    for (const child of this.all) {
      for (const { resource, totals } of child.parentTotals) {
        this.of(resource).totals.push(...totals.map((total) => ({ ...total, child })));
      }
    }
  }

  get all(): MirrorTable[] {
    return [...this.byName.values()];
  }

  /** @throws Refusal 404 if there is none of that name: the file of a resource may be gone while its jobs are kept */
  of(resource: string): MirrorTable {
    const found = this.byName.get(resource);
    if (!found) throw new Refusal(404, 'no_resource', `The resource ${resource} is not declared here at the moment.`);
    return found;
  }

  private link(mirror: MirrorTable): void {
    mirror.links = mirror.definition.parents.map((parent, index) => ({
      parent,
      parentTable: this.of(parent.resource).table,
      parentView: this.of(parent.resource).view,
      by: mirror.column(parent.by),
      linkColumn: identifier(mirror.isBundled ? `${snakeCase(parent.name)}_id` : `$link_${parent.name}`),
      oldLink: identifier(`$old_link${index + 1}`),
      newLink: identifier(`$new_link${index + 1}`),
    }));
  }
}

function parentTotals(child: MirrorTable, tableOf: (resource: string) => MirrorTable): ParentTotals[] {
  const resources = new Set(
    child.links.filter(({ parent }) => parent.totals.length > 0).map((link) => link.parent.resource),
  );
  return [...resources].map((resource) => {
    const parent = tableOf(resource);
    const { loggedTotal } = parent.definition.own;
    const totals = child.links
      .filter((link) => link.parent.resource === resource)
      .flatMap((link) =>
        link.parent.totals.map(({ name, sumOf }) => ({
          name,
          column: identifier(child.isBundled ? snakeCase(name) : columnName(name)),
          link,
          sumOf: sumOf === null ? null : child.column(sumOf),
        })),
      );
    const logged = totals.find(({ name }) => name === loggedTotal)?.column ?? null;
    return { resource, table: parent.totalsTable, totals, logged };
  });
}
