import { isDeepStrictEqual } from 'node:util';
import type { Client } from 'pg';
import { identifier, literal } from '../../database/database.js';
import { ENGINE_COLUMNS, type Link, type MirrorColumn, type MirrorTable } from '../tables/mirror-table.js';
import { findTable } from './found-table.js';
import {
  columnClause,
  createIndex,
  createTable,
  createView,
  derivedClause,
  fillLink,
  linkClause,
  lockWriters,
  wantedIndexes,
} from './resource-ddl.js';
import { type SchemaChange, type Step, STEPS, type StoredShape, type TablePlan } from './table-plan.js';
import { isTooLong, tooLongFields } from './too-long.js';
import { totalsChanges } from './totals-changes.js';
import { isWider } from './widening.js';

/**
 * What differs between the database and the definitions, in the order in which it is to be applied. The database itself is
 * asked, so a process that died on the way is no matter. Of bundled resources migrations make everything but the totals of
 * declared children.
 * @param mirrors those of all resources
 * @param stored the definitions that were applied last, by name
 */
export async function schemaChanges(
  client: Client,
  mirrors: MirrorTable[],
  stored: ReadonlyMap<string, StoredShape>,
): Promise<SchemaChange[]> {
  const all: TablePlan[] = [];
  for (const mirror of mirrors) {
    // oxlint-disable-next-line no-await-in-loop -- over resources, in one session
    all.push(await planOf(client, mirror, stored.get(mirror.resource) ?? null));
  }
  const plans = all.filter(({ mirror }) => !mirror.isBundled);
  const changes = plans.flatMap((plan) => [...tableChanges(plan), ...columnChanges(plan)]);
  const emptied = new Set(plans.filter(isEmptied).map(({ mirror }) => mirror.resource));
  changes.push(...plans.flatMap((plan) => linkChanges(plan, emptied)));
  // Their rows count differently from now on.
  const moved = new Set(changes.filter(({ loses, step }) => loses || step === 'links').map(({ resource }) => resource));
  changes.push(...all.flatMap((plan) => totalsChanges(plan, stored, moved, emptied)));
  changes.push(...plans.flatMap((plan) => definitionChange(plan, changes)));
  changes.push(...plans.flatMap(indexChanges), ...goneChanges(mirrors, stored));
  return changes.toSorted((one, other) => STEPS.indexOf(one.step) - STEPS.indexOf(other.step));
}

async function planOf(client: Client, mirror: MirrorTable, stored: StoredShape | null): Promise<TablePlan> {
  const found = await findTable(client, mirror);
  return { mirror, found, stored, tooLong: await tooLongFields(client, mirror, found, stored) };
}

/** A resource without a file keeps its table. Servers that have the file do none of its jobs once that is noted. */
function goneChanges(mirrors: MirrorTable[], stored: ReadonlyMap<string, StoredShape>): SchemaChange[] {
  return [...stored]
    .filter(([name, { shape }]) => shape.away !== true && !mirrors.some(({ resource }) => resource === name))
    .map(([resource]) => ({ resource, step: 'definition', what: 'has no file any more', sql: [], loses: false }));
}

function isNew({ found }: TablePlan): boolean {
  return found.columns.size === 0;
}

/** Whether the rows that are there are none of this definition's: they are named by another key. */
function isEmptied({ mirror: { definition }, stored, tooLong }: TablePlan): boolean {
  if (stored === null) return false;
  if (definition.key.some((field) => tooLong.has(field))) return true;
  const keyOf = (key: unknown) => JSON.stringify([key ?? 'externalId'].flat());
  const { key, duplicates } = stored.shape;
  return keyOf(definition.shape.key) !== keyOf(key) || definition.countsDuplicates !== (duplicates === 'count');
}

function tableChanges(plan: TablePlan): SchemaChange[] {
  const { mirror } = plan;
  const change = changeOf(mirror, 'tables');
  if (isNew(plan)) {
    const indexes = wantedIndexes(mirror).map((index) => createIndex(index));
    return [change('makes the table', [...createTable(mirror), ...indexes])];
  }
  if (!isEmptied(plan)) return [];
  const shorterKey = mirror.definition.key.some((field) => plan.tooLong.has(field))
    ? 'a key that is too short for stored rows'
    : null;
  // Ids go on where they were, as the change log knows rows by them.
  const what = `has ${shorterKey ?? 'another key or other duplicates'}: drops all rows`;
  return [change(what, [`truncate ${mirror.table}`], true)];
}

function columnChanges(plan: TablePlan): SchemaChange[] {
  const { mirror, found } = plan;
  const { table, definition, columns, links } = mirror;
  if (isNew(plan)) return [];
  const change = changeOf(mirror, 'columns');
  const changes = columns.flatMap((column) => columnChange(plan, column));
  for (const link of links) {
    if (found.columns.has(link.linkColumn)) continue;
    changes.push(
      change(`adds the parent ${link.parent.name}`, [`alter table ${table} add column ${linkClause(link)}`]),
    );
  }
  for (const derived of mirror.derived) {
    if (found.columns.has(derived.column)) continue;
    changes.push(change(`adds ${derived.column}`, [`alter table ${table} add column ${derivedClause(derived)}`]));
  }
  const wanted = [
    ...[...columns, ...mirror.derived].map(({ column }) => column),
    ...links.map(({ linkColumn }) => linkColumn),
  ];
  const kept = new Set([...ENGINE_COLUMNS.map(identifier), ...wanted]);
  for (const column of found.columns.keys()) {
    if (kept.has(column)) continue;
    const drop = `alter table ${table} drop column ${column} cascade`;
    const isLink = column.startsWith('"$');
    const name = column.replace(/"|\$(link_)?/g, '');
    const sql = isLink ? [drop] : [drop, forgetField(mirror, name)];
    changes.push(change(`drops the ${isLink ? 'parent' : 'field'} ${name}`, sql, true));
  }
  // What the view shows follows from its table at the time when it is made.
  changes.at(-1)?.sql.push(...createView(mirror));
  for (const { name, isOptional } of definition.fields) {
    const stored = plan.stored?.shape.fields ?? {};
    const wasOptional = Object.hasOwn(stored, name) && stored[name]?.endsWith('?') === true;
    if (isOptional || !wasOptional || isEmptied(plan)) continue;
    changes.push(change(`requires the field ${name}, which stored rows may lack`, [], true));
  }
  return changes;
}

function columnChange(plan: TablePlan, column: MirrorColumn): SchemaChange[] {
  const { table, definition } = plan.mirror;
  const change = changeOf(plan.mirror, 'columns');
  const type = plan.found.columns.get(column.column);
  const add = `alter table ${table} add column ${columnClause(column)}`;
  if (type === undefined) {
    const isOptional = definition.fields.some(({ name, isOptional }) => name === column.field && isOptional);
    const lacks = !isOptional && !isEmptied(plan);
    return [
      change(`adds the field ${column.field}${lacks ? ', which no stored row has but each must' : ''}`, [add], lacks),
    ];
  }
  if (type === column.type.sql) return plan.tooLong.has(column.field) ? [narrowing(plan, column)] : [];
  if (isWider(type, column.type)) {
    const widen = `alter table ${table} alter column ${column.column} type ${column.type.sql}`;
    // PostgreSQL changes no column that a view shows. The last change of the table makes it again.
    const sql = [`drop view if exists ${plan.mirror.view}`, widen];
    return [{ ...change(`widens ${column.field} to ${column.type.name}`, sql), rewrites: true }];
  }
  const what = `changes the type of ${column.field} to ${column.type.name}: drops its values`;
  const drop = `alter table ${table} drop column ${column.column} cascade`;
  return [change(what, [drop, add, forgetField(plan.mirror, column.field)], true)];
}

/** Values that are too long are not cut, as they would be other values: they go, like those of another type. */
function narrowing({ mirror }: TablePlan, column: MirrorColumn): SchemaChange {
  const { resource, table } = mirror;
  const { field, type } = column;
  const name = literal(field);
  const what = `limits ${field} to ${type.name}: drops the values that are longer`;
  const sql = [
    `update ${table} set ${column.column} = null where ${isTooLong(column)}`,
    `update change set before = before - ${name}
      where resource = ${literal(resource)} and ${isTooLong(column, `before->>${name}`)}`,
  ];
  return changeOf(mirror, 'columns')(what, sql, true);
}

/** Earlier values of the field in the log, which are none of another type. */
function forgetField({ resource }: MirrorTable, field: string): string {
  const name = literal(field);
  return `update change set before = before - ${name} where resource = ${literal(resource)} and before ? ${name}`;
}

/** @param emptied resources of which all rows are dropped */
function linkChanges(plan: TablePlan, emptied: ReadonlySet<string>): SchemaChange[] {
  const { mirror, found, stored } = plan;
  if (isNew(plan)) return [];
  const change = changeOf(mirror, 'links');
  const isStale = ({ parent, by }: Link) =>
    stored?.shape.away === true ||
    emptied.has(parent.resource) ||
    plan.tooLong.has(by.field) ||
    found.columns.get(by.column) !== by.type.sql;
  return mirror.links.flatMap((link) => {
    const { name, resource, by } = link.parent;
    const before = stored?.shape.parents?.[name];
    const isOther = !found.columns.has(link.linkColumn) || before?.resource !== resource || before.by !== by;
    if (!isOther && !isStale(link)) return [];
    return [
      change(
        `links the rows to their parent ${name}`,
        [lockWriters(link.parentTable), fillLink(mirror, link)],
        isOther,
      ),
    ];
  });
}

/** Servers take jobs of the applied definition alone, so one that changes nothing else is a change too. */
function definitionChange({ mirror, stored }: TablePlan, others: SchemaChange[]): SchemaChange[] {
  const { resource, definition } = mirror;
  if (stored === null || others.some((change) => change.resource === resource && change.step !== 'cleanup')) return [];
  const shape: unknown = JSON.parse(JSON.stringify(definition.shape));
  return isDeepStrictEqual(shape, stored.shape)
    ? []
    : [changeOf(mirror, 'definition')('takes over the definition', [storeShape(mirror)])];
}

/** An index of which the making was interrupted is there, but not valid. */
function indexChanges(plan: TablePlan): SchemaChange[] {
  const { mirror, found } = plan;
  if (isNew(plan)) return [];
  const wanted = wantedIndexes(mirror);
  const change = changeOf(mirror, 'indexes');
  const made = wanted
    .filter(({ name }) => found.indexes.get(name) !== true)
    .map((index) => {
      const remains = found.indexes.has(index.name) ? [`drop index concurrently if exists ${index.name}`] : [];
      return change(`makes an index ${index.on}`, [...remains, createIndex(index, 'concurrently')]);
    });
  const dropped = [...found.indexes.keys()]
    .filter((name) => !wanted.some((index) => index.name === name))
    .map((name) => change(`drops the index ${name}`, [`drop index concurrently if exists ${name}`]));
  return [...made, ...dropped];
}

function changeOf({ resource }: MirrorTable, step: Step) {
  return (what: string, sql: string[], loses = false): SchemaChange => ({ resource, step, what, sql, loses });
}

/** The definition as it is kept, with a version that rises with each change of it. */
export function storeShape({ definition: { name, shape } }: MirrorTable): string {
  return `insert into resource_definition (name, version, shape, applied)
     values (${literal(name)}, 1, ${literal(JSON.stringify(shape))}, now())
     on conflict (name) do update
        set version = resource_definition.version
              + case when resource_definition.shape - 'away' = excluded.shape then 0 else 1 end,
            shape = excluded.shape, applied = excluded.applied
      where resource_definition.shape <> excluded.shape`;
}

/** Notes that the other resources have no file. */
export function storeAway(mirrors: MirrorTable[]): string {
  const names = mirrors.map(({ resource }) => literal(resource)).join(', ');
  return `update resource_definition set shape = shape || '{"away": true}'
     where name <> all(array[${names}]::text[]) and not (shape ? 'away')`;
}
