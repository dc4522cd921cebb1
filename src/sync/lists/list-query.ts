import { type ColumnType, Fault } from '../../definitions/column-types.js';
import { compareValues, readBound } from '../../definitions/bounds.js';
import { type Definition, EXTERNAL_ID, type Sort } from '../../definitions/definition.js';
import { Refusal, type ProblemDetail, shownName } from '../../http/refusal.js';
import { isLongerThan, isStorable } from '../../values/text.js';

/** A condition on a field of the rows that are to be listed; the value is the text of its type. */
export interface Condition {
  field: string;
  operator: '=' | '>=' | '<=';
  value: string;
}

/** Which rows to list, checked. */
export interface ListQuery {
  conditions: Condition[];
  /** The start of one of the fields that are searched, in any case; null: all rows. */
  search: string | null;
  /** Null: by external id. */
  sort: Sort | null;
  limit: number;
  cursor: string | undefined;
}

/** The parameters of a request as they were sent. */
export type SentQuery = Record<string, string | string[] | undefined>;

const DEFAULT_LIMIT = 50;
const MAX_SEARCH_CHARACTERS = 250;

/** What each parameter of a list is for, and how its value is read: a text, or what is wrong with it. */
export interface Parameter {
  name: string;
  description: string;
  schema: Record<string, unknown>;
  read: (text: string) => string | Fault;
}

/** The parameters that the list of a resource takes. */
export function listParameters(definition: Definition, maxPageSize: number): Parameter[] {
  const { list } = definition;
  const ofField = (name: string, parameter: string, description: string, read = readValue): Parameter => {
    const type = typeOf(definition, name);
    return { name: parameter, description, schema: type.schema, read: (text) => read(type, text) };
  };
  const listed = list.sort.map(({ field, descending }) => (descending ? `-${field}` : field));
  const sorts = [...new Set([EXTERNAL_ID, ...listed])];
  return [
    ...list.filter.map((name) => ofField(name, name, `rows whose ${name} is this`)),
    ...list.range.flatMap((name) => [
      ofField(name, `${name}_min`, `least ${name}`, readBound),
      ofField(name, `${name}_max`, `greatest ${name}`, readBound),
    ]),
    ...(list.search.length === 0
      ? []
      : [
          {
            name: 'q',
            description: `start of ${list.search.join(' or ')}, in any case`,
            schema: { type: 'string', minLength: 1, maxLength: MAX_SEARCH_CHARACTERS },
            read: readSearch,
          },
        ]),
    {
      name: 'sort',
      description: 'the order; ties by externalId',
      schema: { type: 'string', enum: sorts, default: EXTERNAL_ID },
      read: (text) => (sorts.includes(text) ? text : new Fault(`must be one of ${sorts.join(', ')}`)),
    },
    {
      name: 'limit',
      description: 'items per page',
      schema: { type: 'integer', minimum: 1, maximum: maxPageSize, default: Math.min(DEFAULT_LIMIT, maxPageSize) },
      read: (text) =>
        /^\d{1,6}$/.test(text.slice(0, 7)) && Number(text) >= 1 && Number(text) <= maxPageSize
          ? text
          : new Fault(`must be a whole number from 1 to ${maxPageSize}`),
    },
    {
      name: 'cursor',
      description: 'the nextCursor of the page before',
      schema: { type: 'string' },
      read: (text) => text,
    },
  ];
}

/** @throws Refusal 400 with every parameter that does not exist or has no good value */
export function readListQuery(definition: Definition, sent: SentQuery, maxPageSize: number): ListQuery {
  const parameters = new Map(listParameters(definition, maxPageSize).map((parameter) => [parameter.name, parameter]));
  const errors: ProblemDetail[] = [];
  const values = new Map<string, string>();
  for (const [name, value] of Object.entries(sent)) {
    const parameter = parameters.get(name);
    const read = parameter ? readOne(parameter, value) : new Fault('does not exist');
    if (!(read instanceof Fault)) values.set(name, read);
    else errors.push(problemOf(name, parameter ? 'invalid_parameter' : 'unknown_parameter', read.detail));
  }
  for (const name of definition.list.range) {
    const [min, max] = [values.get(`${name}_min`), values.get(`${name}_max`)];
    if (min === undefined || max === undefined || compareValues(typeOf(definition, name), min, max) <= 0) continue;
    errors.push(problemOf(`${name}_min`, 'empty_range', `is greater than ${name}_max`));
  }
  const [first] = errors;
  if (first) throw new Refusal(400, first.code, `${first.parameter}: ${first.detail}`, { errors });
  const conditions = definition.list.filter.map((field) => ({
    field,
    operator: '=' as const,
    value: values.get(field),
  }));
  const ranges = definition.list.range.flatMap((field) => [
    { field, operator: '>=' as const, value: values.get(`${field}_min`) },
    { field, operator: '<=' as const, value: values.get(`${field}_max`) },
  ]);
  const sort = values.get('sort') ?? EXTERNAL_ID;
  return {
    conditions: [...conditions, ...ranges].filter((condition): condition is Condition => condition.value !== undefined),
    search: values.get('q') ?? null,
    sort: sort === EXTERNAL_ID ? null : { field: sort.replace(/^-/, ''), descending: sort.startsWith('-') },
    limit: Number(values.get('limit') ?? Math.min(DEFAULT_LIMIT, maxPageSize)),
    cursor: values.get('cursor'),
  };
}

function readOne(parameter: Parameter, value: string | string[] | undefined): string | Fault {
  return typeof value === 'string' ? parameter.read(value) : new Fault('must be given once');
}

function readValue(type: ColumnType, text: string): string | Fault {
  return (type.readCell ?? type.read)(text);
}

function readSearch(text: string): string | Fault {
  if (text === '' || isLongerThan(MAX_SEARCH_CHARACTERS, text)) {
    return new Fault(`must have 1 to ${MAX_SEARCH_CHARACTERS} characters`);
  }
  return isStorable(text) ? text : new Fault('must be text');
}

function problemOf(name: string, code: string, detail: string): ProblemDetail {
  return {
    parameter: shownName(name),
    code,
    detail: `${detail}.`.replace(/^does not exist\.$/, 'This query parameter does not exist.'),
  };
}

function typeOf(definition: Definition, name: string): ColumnType {
  const field = definition.fields.find((each) => each.name === name);
  if (!field) throw new Error(`${definition.name} has no field ${name}`);
  return field.type;
}
