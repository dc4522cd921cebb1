import type { IncomingMessage } from 'node:http';
import { type Pace, paced } from '../../http/body-pace.js';
import type { Config } from '../../settings/config.js';
import { announcedDigest } from '../../http/content-digest.js';
import { idempotencyKeyOf } from '../../http/idempotency-key.js';
import { Refusal } from '../../http/refusal.js';
import type { DeletePolicy, Mode } from '../model/job-options.js';
import type { Definition } from '../../definitions/definition.js';
import type { Window } from '../../definitions/window.js';
import type { SnapshotFormat } from '../bytes/snapshot-format.js';

/** A map, as an object also has what all objects have: `Content-Type: constructor` would be a format. */
const FORMATS = new Map<string, SnapshotFormat>([
  ['application/json', 'json'],
  ['application/x-ndjson', 'ndjson'],
  ['text/csv', 'csv'],
]);

const TYPES = [...FORMATS.keys()].join(', ');

const ENCODINGS = ['gzip', 'br', 'zstd'];

/** What a sender wants done with a snapshot. */
export interface SnapshotOptions {
  mode: Mode;
  /** What it is complete for if that is a window. */
  window: Window | null;
  deletes: DeletePolicy;
  dryRun: boolean;
}

/** A snapshot at the door: what its headers say, and its bytes, which nobody has looked at yet. */
export interface IncomingSnapshot extends SnapshotOptions {
  resource: Definition;
  source: string;
  format: SnapshotFormat;
  contentType: string;
  /** `gzip`, `br`, `zstd`, or null. */
  contentEncoding: string | null;
  /** SHA-256 in base64 as the sender computed it, or null. */
  digest: string | null;
  idempotencyKey: string | null;
  /** As announced, or null. */
  contentLength: number | null;
  body: AsyncIterable<Buffer>;
}

/** How fast the settings want an upload to be. */
export function uploadPace(config: Config): Pace {
  return { windowSeconds: config.UPLOAD_IDLE_TIMEOUT_SECONDS, bytesPerSecond: config.UPLOAD_MIN_BYTES_PER_SECOND };
}

/** @throws Refusal 400 or 415 for headers that cannot be taken */
export function incomingSnapshot(
  request: IncomingMessage,
  resource: Definition,
  source: string,
  { pace, ...options }: SnapshotOptions & { pace: Pace },
): IncomingSnapshot {
  const { headers } = request;
  const contentType = headers['content-type'] ?? '';
  const length = headers['content-length'];
  return {
    resource,
    source,
    mode: options.mode,
    window: options.window,
    deletes: options.deletes,
    dryRun: options.dryRun,
    format: formatOf(contentType),
    contentType,
    contentEncoding: encodingOf(headers['content-encoding']),
    digest: announcedDigest(request),
    idempotencyKey: idempotencyKeyOf(request),
    contentLength: length === undefined ? null : Number(length),
    body: bodyOf(request, pace),
  };
}

/**
 * The chunks of the body. Whoever stops reading early is about to refuse: the rest is read and dropped then, so that the
 * sender sees the answer and the connection is fit for its next request.
 */
async function* bodyOf(request: IncomingMessage, pace: Pace): AsyncGenerator<Buffer> {
  try {
    yield* paced(request.iterator({ destroyOnReturn: false }), pace);
  } finally {
    if (!request.readableEnded && !request.destroyed) request.resume();
  }
}

function formatOf(contentType: string): SnapshotFormat {
  const [type = '', ...parameters] = contentType.split(';').map((part) => part.trim().toLowerCase());
  const format = FORMATS.get(type);
  const charset = parameters.find((parameter) => parameter.startsWith('charset='))?.replace(/^charset="?|"$/g, '');
  if (format && (charset === undefined || charset === 'utf-8' || charset === 'utf8')) return format;
  const detail = `A snapshot's Content-Type is one of ${TYPES}, in UTF-8.`;
  throw new Refusal(415, 'unsupported_media_type', detail, { headers: { Accept: TYPES } });
}

function encodingOf(header: string | undefined): string | null {
  const encoding = header?.trim().toLowerCase() ?? 'identity';
  if (encoding === 'identity' || encoding === '') return null;
  if (ENCODINGS.includes(encoding)) return encoding;
  const detail = `A snapshot's Content-Encoding is one of ${ENCODINGS.join(', ')}, or none.`;
  throw new Refusal(415, 'unsupported_encoding', detail, { headers: { 'Accept-Encoding': ENCODINGS.join(', ') } });
}
