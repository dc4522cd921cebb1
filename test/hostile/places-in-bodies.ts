import { expect } from '@jest/globals';
import { resources } from '../../src/resources.js';
import { aLine } from '../claims/biller.js';
import type { HttpRequest } from './http-client.js';
import type { Operation } from './operations.js';

/** A request with a text in it. */
export interface Attack extends HttpRequest {
  /** How the job that it starts must end, if it starts one. */
  job?: object;
  /** The code of the 400 that it may be answered with, without a job. */
  refusal?: string;
}

/** Makes a text of another kind for each place. */
export type NextText = () => string;

/** Where texts are put, and requests that have one in each of these places. */
export interface Place {
  where: string;
  attacks: (next: NextText, operations: Operation[]) => Attack[];
  /** A length of text that is not refused for its length, if the usual ones are. */
  fitting?: number;
}

const JSON_TYPE = 'application/json';
const NDJSON_TYPE = 'application/x-ndjson';

/** Valid values of fields in small bodies. */
const VALID: Record<string, unknown> = { url: 'http://127.0.0.1:9/', from: '1', to: '2', sum: 1 };

/** A small body has at most 64 KiB, a row of a claim as many characters. */
const FITTING = 30_000;

const EXAMPLES = resources.map(({ definition }) => definition);

/** Fields of JSON bodies. The texts are JSON literals: numbers, or texts in quotes. */
export const JSON_PLACES: Place[] = [
  {
    where: 'fields of records in JSON and NDJSON',
    attacks: (next) =>
      EXAMPLES.flatMap(({ name, example }) => [
        jsonSnapshot(name, objectsWith(example, next)),
        ndjsonSnapshot(name, objectsWith(example, next)),
      ]),
  },
  { where: 'fields of claims in JSON', attacks: (next) => [post('/claims', JSON_TYPE, claimWith(next))] },
  { where: 'fields of all small bodies', attacks: smallBodiesWith, fitting: FITTING },
];

/** Cells of tables, and the syntax of all formats. */
export const OTHER_PLACES: Place[] = [
  {
    where: 'cells of records in CSV',
    attacks: (next) => EXAMPLES.map(({ name, example }) => tableSnapshot(name, rowsWith(example, next))),
  },
  {
    where: 'cells of claims in CSV',
    attacks: (next) => [post('/claims', 'text/csv', rowsWith(aLine(), next).join('\n'))],
    fitting: FITTING,
  },
  { where: 'the syntax of bodies', attacks: brokenBodies },
];

/** An object as JSON, with a literal in one of its fields each, then in, deep in and as the name of an unknown field. */
function objectsWith(example: Record<string, unknown>, next: NextText): string[] {
  // The last one of several fields with a name is the one that counts.
  const start = JSON.stringify(example).slice(0, -1);
  const odd = Object.keys(example).map((name) => `"${name}":${next()}`);
  return [...odd, ...unknownFields(next)].map((field) => `${start},${field}}`);
}

function unknownFields(next: NextText): string[] {
  const name = next();
  const asName = name.startsWith('"') ? [`${name}:1`] : [];
  return [`"unknown":${next()}`, `"unknown":[{"a":${next()}}]`, ...asName];
}

function claimWith(next: NextText): string {
  return `{"external_claim_id":${next()},"lines":[${objectsWith(aLine(), next).join(',')}]}`;
}

function smallBodiesWith(next: NextText, operations: Operation[]): Attack[] {
  return operations.flatMap(({ method, path, fields }) => {
    if (fields.length === 0) return [];
    const odd = fields.flatMap((name) => [`"${name}":${next()}`, `"${name}":[${next()}]`]);
    const valid = Object.entries(VALID).filter(([name]) => fields.includes(name));
    return [...odd, ...unknownFields(next)].map((field) => {
      const whole = [...valid.map(([name, value]) => `"${name}":${JSON.stringify(value)}`), field];
      return { ...post(path, JSON_TYPE, `{${whole.join(',')}}`), method };
    });
  });
}

/** A table whose first row has the names of the fields; each other row has a text in another cell. */
function rowsWith(example: Record<string, unknown>, next: NextText): string[] {
  const names = [...Object.keys(example), 'unknown'];
  const valid = names.map((name) => quoted(String(example[name] ?? '')));
  const odd = names.map((_, at) => valid.with(at, quoted(next())).join(','));
  return [names.join(','), ...odd];
}

function quoted(cell: string): string {
  return `"${cell.replaceAll('"', '""')}"`;
}

function post(path: string, type: string, body: string): Attack {
  return { method: 'POST', path, headers: { 'Content-Type': type, Prefer: 'wait=30' }, body };
}

function snapshot(resource: string, type: string, body: string, job: object): Attack {
  return { ...post(`/${resource}?mode=partial`, type, body), job };
}

function jsonSnapshot(resource: string, records: string[]): Attack {
  return snapshot(resource, JSON_TYPE, `[${records.join(',')}]`, completed(records.length));
}

function ndjsonSnapshot(resource: string, records: string[]): Attack {
  return snapshot(resource, NDJSON_TYPE, records.join('\n'), completed(records.length));
}

function tableSnapshot(resource: string, rows: string[]): Attack {
  return snapshot(resource, 'text/csv', rows.join('\n'), completed(rows.length - 1));
}

function completed(received: number): object {
  return { status: 'completed', counts: { received } };
}

/** Snapshots and claims that are not valid in most cases, as a text is part of their syntax. */
function brokenBodies(next: NextText): Attack[] {
  return [
    ...broken(JSON_TYPE, next()).map((attack) => ({ ...attack, refusal: 'wrong_first_byte' })),
    ...broken(JSON_TYPE, `[{"externalId":${next()}}]`),
    ...broken(JSON_TYPE, `[{"externalId":"${next()}"}]`),
    ...broken(NDJSON_TYPE, `{}\n${next()}\n`),
    ...broken(NDJSON_TYPE, `{"externalId":${next()}}\n`),
    ...broken('text/csv', `${next()}\n1\n`),
    ...broken('text/csv', `externalId,firstName\n1,${next()}\n`),
    ...broken('text/csv', `externalId,firstName,lastName,${quoted(next())}\n1,Rick,Deckard,x\n`),
  ];
}

function broken(type: string, body: string): Attack[] {
  const job = { status: expect.stringMatching(/^(completed|failed)$/) };
  return [snapshot('patients', type, body, job), post('/claims', type, body)];
}
