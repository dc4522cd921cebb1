import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { MANIFEST } from '../maker/folder-destination.js';
import { KIND, type Manifest, VERSION } from '../maker/manifest.js';
import { SortedLines } from './sorted-lines.js';

/** Thrown for data that cannot be served; the message says everything that is wrong. */
export class DataMissing extends Error {}

const DATA_SETS = ['companies', 'rates', 'sepa', 'swift'] as const;

/** The files that are served. */
export type DataFolder = Record<(typeof DATA_SETS)[number], SortedLines>;

/**
 * Opens made data. Their files must be there as they were made: same names, same sizes.
 * @throws DataMissing
 */
export async function openDataFolder(folder: string): Promise<DataFolder> {
  const manifest = await readManifest(folder);
  if (manifest.format !== 'ndjson' || manifest.compression !== null) {
    const kind = `${manifest.format}${manifest.compression === null ? '' : ` compressed by ${manifest.compression}`}`;
    throw new DataMissing(
      `The data in ${folder} are ${kind}. Only plain NDJSON can be served: make them without --format and --zstd.`,
    );
  }
  const faults = await Promise.all(DATA_SETS.map((name) => faultOf(folder, `${name}.ndjson`, manifest)));
  const found = faults.filter((fault) => fault !== null);
  if (found.length > 0) throw new DataMissing(`The data in ${folder} are not complete: ${found.join(', ')}.`);
  const opened = await Promise.all(
    DATA_SETS.map(async (name) => [name, await SortedLines.open(join(folder, `${name}.ndjson`))] as const),
  );
  return Object.fromEntries(opened) as DataFolder;
}

async function readManifest(folder: string): Promise<Manifest> {
  const text = await readFile(join(folder, MANIFEST), 'utf8').catch((error: NodeJS.ErrnoException) => {
    const why =
      error.code === 'ENOENT' ? `${MANIFEST} is missing in ${folder}` : `${MANIFEST} cannot be read: ${error.message}`;
    throw new DataMissing(`${why}. Make data first: npm run cli -- cashflow make --size small --out ${folder}`);
  });
  const manifest = parse(text);
  if (manifest?.kind !== KIND || manifest.version !== VERSION || !Array.isArray(manifest.files)) {
    throw new DataMissing(`${MANIFEST} in ${folder} is none of this version. Make the data again.`);
  }
  return manifest;
}

function parse(text: string): Manifest | null {
  try {
    return JSON.parse(text) as Manifest | null;
  } catch {
    return null;
  }
}

async function faultOf(folder: string, name: string, { files }: Manifest): Promise<string | null> {
  const expected = files.find((file) => file.name === name);
  if (!expected) return `${name} is not in ${MANIFEST}`;
  const size = await stat(join(folder, name)).then(
    (found) => found.size,
    () => null,
  );
  if (size === null) return `${name} is missing`;
  return size === expected.bytes ? null : `${name} has ${size} bytes instead of ${expected.bytes}`;
}
