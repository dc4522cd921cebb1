import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { Failure } from './failure.js';

const CONTENT_TYPES: Record<string, string> = {
  '.json': 'application/json',
  '.ndjson': 'application/x-ndjson',
  '.jsonl': 'application/x-ndjson',
  '.csv': 'text/csv',
};

const ENCODINGS: Record<string, string> = { '.gz': 'gzip', '.br': 'br', '.zst': 'zstd' };

const FILE_PROBLEMS: Record<string, string> = {
  ENOENT: 'does not exist',
  ENOTDIR: 'does not exist',
  EACCES: 'may not be read by this user',
};

/** Small enough to show progress: some 160 reads for 10 MB. */
const READ_BYTES = 64 * 1024;

/** A file that is to be sent: the headers that follow from its name, and its bytes. */
export interface SnapshotFile {
  name: string;
  bytes: number;
  /** `Content-Type` and, where it is compressed, `Content-Encoding`. */
  headers: Record<string, string>;
  /** Reads it from the disk, piece by piece. */
  read(): AsyncIterable<Uint8Array>;
}

/** @throws Failure for a name without a known format, and for a file that does not exist or cannot be read */
export async function openSnapshotFile(path: string): Promise<SnapshotFile> {
  const name = basename(path);
  const found = await stat(path).catch((error: unknown) => {
    throw cannotRead(path, error);
  });
  if (!found.isFile()) throw new Failure(`${path} is not a file.`);
  return { name, bytes: found.size, headers: headersOf(name), read: () => readPieces(path) };
}

function headersOf(name: string): Record<string, string> {
  const [, extension = '', compression = ''] = /(\.[a-z]+?)(\.gz|\.br|\.zst)?$/.exec(name.toLowerCase()) ?? [];
  const contentType = CONTENT_TYPES[extension];
  const encoding = ENCODINGS[compression];
  if (contentType) return { 'Content-Type': contentType, ...(encoding ? { 'Content-Encoding': encoding } : {}) };
  throw new Failure(
    `The name of ${name} does not show its format. Names end in ${Object.keys(CONTENT_TYPES).join(', ')}, ` +
      `and may add ${Object.keys(ENCODINGS).join(', ')}.`,
  );
}

async function* readPieces(path: string): AsyncGenerator<Uint8Array> {
  try {
    yield* createReadStream(path, { highWaterMark: READ_BYTES }) as AsyncIterable<Buffer>;
  } catch (error) {
    throw cannotRead(path, error);
  }
}

function cannotRead(path: string, error: unknown): Failure {
  const { code = '', message } = error as NodeJS.ErrnoException;
  return new Failure(`${path} ${FILE_PROBLEMS[code] ?? `cannot be read: ${message}`}.`);
}
