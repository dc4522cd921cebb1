import { IS_EXHAUSTIVE } from '../setup/exhaustive.js';
import { namesInPath, type Operation, withPart, withQuery } from './operations.js';
import type { Attack, NextText, Place } from './places-in-bodies.js';

/** The most bytes that a text gets: with it the head of a request is below the 256 KiB that the settings allow at most. */
const MAX_BYTES = 240_000;

/** What precedes the run of equal characters in an odd text. */
const START_CHARACTERS = 8;

/** Headers that the server or one of its packages reads, how a value of each begins, and where it is sent. */
const HEADERS: [name: string, start: string, paths: string[]][] = [
  ['Authorization', '', ['/patients']],
  ['Authorization', 'Bearer ', ['/patients']],
  ['Authorization', 'Basic ', ['/docs/']],
  ['X-API-Key', '', ['/patients']],
  ['X-Source', '', ['/patients']],
  ['X-Source', 'a', ['/patients']],
  ['Idempotency-Key', '', ['/patients', '/claims', '/api/accounts/create']],
  ['Content-Type', '', ['/patients', '/claims', '/webhooks']],
  ['Content-Type', 'application/json', ['/patients', '/claims', '/webhooks']],
  ['Content-Type', 'application/json; charset="', ['/patients', '/claims', '/webhooks']],
  ['Content-Encoding', '', ['/patients', '/claims', '/webhooks']],
  ['Content-Digest', '', ['/patients', '/claims']],
  ['Content-Digest', 'sha-256=:', ['/patients', '/claims']],
  ['Prefer', '', ['/patients', '/changes']],
  ['Prefer', 'wait', ['/patients', '/changes']],
  // A malformed body is refused without any wait.
  ['Prefer', 'wait=', ['/patients']],
  ['X-Request-Id', '', ['/patients']],
  ['X-Forwarded-For', '', ['/patients']],
  ['X-Forwarded-Host', '', ['/patients']],
  ['X-Forwarded-Proto', '', ['/patients']],
  ['Forwarded', 'for=', ['/patients']],
  ['Host', '', ['/patients']],
  ['Origin', 'https://', ['/patients', '/docs/']],
  ['Sec-Fetch-Site', '', ['/patients', '/docs/']],
  ['Accept', '', ['/patients', '/docs/']],
  ['Accept-Encoding', 'gzip;q=', ['/patients', '/docs/']],
  ['If-None-Match', '"', ['/changes', '/docs/']],
  ['If-Modified-Since', '', ['/changes', '/docs/']],
  ['Range', 'bytes=', ['/changes', '/docs/']],
  ['Cookie', 'a=', ['/patients', '/docs/']],
];

const READ_PATHS = ['/changes', '/docs/'];

/** Addresses and headers. */
export const HEAD_PLACES: Place[] = [
  { where: 'paths', attacks: pathsWith },
  { where: 'queries', attacks: queriesWith },
  { where: 'headers', attacks: headersWith },
];

/** Requests with a text that is too long for an address or a header even before it is escaped. */
export function tooLongHeads(next: NextText): Attack[] {
  return [
    { method: 'GET', path: `/patients/${escapeAll(next())}` },
    { method: 'GET', path: `/patients?q=${escapeAll(next())}` },
    { method: 'GET', path: '/patients', headers: { 'X-Long': asBytes(next()) } },
  ];
}

function pathsWith(next: NextText, operations: Operation[]): Attack[] {
  const pages = ['/', '/docs/', '/admin/queues/', '/admin/queues/queue/', '/openapi.json'];
  return [
    ...operations.flatMap((operation) =>
      namesInPath(operation).map((name) => withPart(operation, name, shortened(next(), escapeAll))),
    ),
    ...pages.map((page) => ({ method: 'GET', path: page + shortened(next(), escapeAll) })),
    ...[...pages, '/patients/'].map((page) => ({ method: 'GET', path: page + shortened(next(), escapeSome) })),
  ];
}

function queriesWith(next: NextText, operations: Operation[]): Attack[] {
  const paths = ['/patients', '/patients/1'];
  return [
    ...queryParameters(operations).map(([operation, name]) =>
      withQuery(operation, `${name}=${shortened(next(), escapeAll)}`),
    ),
    ...paths.map((path) => ({ method: 'GET', path: `${path}?${shortened(next(), escapeAll)}=1` })),
    ...paths.map((path) => ({ method: 'GET', path: `${path}?${shortened(next(), escapeSome)}` })),
  ];
}

/** Each query parameter; those with the same name and schema once, unless the tests are exhaustive. */
function queryParameters(operations: Operation[]): [Operation, name: string][] {
  const all = operations.flatMap((operation) =>
    operation.parameters
      .filter((parameter) => parameter.in === 'query')
      .map(({ name, schema }) => ({
        place: [operation, name] as [Operation, string],
        kind: name + JSON.stringify(schema),
      })),
  );
  const some = IS_EXHAUSTIVE ? all : new Map(all.map((one) => [one.kind, one])).values();
  return Array.from(some, ({ place }) => place);
}

function headersWith(next: NextText): Attack[] {
  return HEADERS.flatMap(([name, start, paths]) =>
    paths.map((path) => {
      const headers = { 'Content-Type': 'application/json', [name]: start + shortened(next(), asBytes) };
      return READ_PATHS.includes(path)
        ? { method: 'GET', path, headers }
        : { method: 'POST', path, headers, body: '<' };
    }),
  );
}

/** Cuts a text that is too long once it is encoded; its start and its end stay. */
function shortened(text: string, encode: (text: string) => string): string {
  const encoded = encode(text);
  if (encoded.length <= MAX_BYTES) return encoded;
  const kept = Math.floor((text.length * MAX_BYTES) / encoded.length) - START_CHARACTERS;
  return encode(text.slice(0, START_CHARACTERS) + text.slice(-kept));
}

/** Escapes what would not become part of a value or of a single part of a path. Longer runs fit if the rest stays as it is. */
function escapeAll(text: string): string {
  return text.toWellFormed().replaceAll(/[^!-~]|[%&#+/?]/gu, (character) => encodeURIComponent(character));
}

/** Escapes only what cannot be sent. */
function escapeSome(text: string): string {
  return text.toWellFormed().replaceAll(/[^!-~]|#/gu, (character) => encodeURIComponent(character));
}

/** The bytes of a text as Node's client takes them for a header. */
function asBytes(text: string): string {
  return Buffer.from(text).toString('latin1');
}
