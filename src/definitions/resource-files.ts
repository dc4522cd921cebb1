import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Definition } from './definition.js';
import { faultsOfSet } from './definition-set.js';
import { readShape } from './read-shape.js';
import { YamlSource } from './yaml-source.js';

/** Where an installation's own definitions are if nothing else is set; there need not be any. */
export const DEFAULT_DIRECTORY = 'resources';

/** Something that is wrong with a file. */
export interface FileFault {
  file: string;
  /** From 1; null if it is about the whole file. */
  line: number | null;
  detail: string;
}

/** The definitions of an installation, and what is wrong with their files. */
export interface ResourceFiles {
  definitions: Definition[];
  faults: FileFault[];
}

const MAX_FILES = 200;
const MAX_FILE_BYTES = 256 * 1024;

/** Faults of one file that are told; further ones mostly follow from these. */
const MAX_FAULTS = 100;

/** A definition and where its parts are. */
interface Declared {
  definition: Definition | null;
  draft: Definition | null;
  file: string;
  faults: FileFault[];
  at: (path: string[]) => { file: string; line: number | null };
}

/**
 * Reads the YAML files below a directory, one definition each, and finds every fault in them, also beside the bundled ones.
 * @param directory null: the default one, which need not exist
 */
export async function readResourceFiles(
  directory: string | null,
  bundled: readonly Definition[],
): Promise<ResourceFiles> {
  const found = await filesBelow(directory ?? DEFAULT_DIRECTORY, directory !== null);
  if ('faults' in found) return { definitions: [], faults: found.faults };
  const declared = await Promise.all(found.files.map((file) => readFileOf(directory ?? DEFAULT_DIRECTORY, file)));
  const placeOf = (definition: Definition) => declared.find(({ draft }) => draft === definition);
  const drafts = declared.flatMap(({ draft }) => draft ?? []);
  const areAllNamed = drafts.length === declared.length && drafts.every(({ name }) => name !== '');
  const between = faultsOfSet([...bundled, ...drafts], (definition) => placeOf(definition)?.file ?? null)
    // A parent that is missing may be in a file whose name could not be read.
    .filter(({ path }) => areAllNamed || path[0] !== 'parents' || path[2] !== 'resource');
  const faults = declared.flatMap((each) => {
    const beside = between
      .filter(({ definition }) => definition === each.draft)
      .map(({ path, detail }) => ({ ...each.at(path), detail: `${path.join('.')} ${detail}.` }));
    return [...each.faults, ...beside].toSorted(byLine);
  });
  return { definitions: declared.flatMap(({ definition }) => definition ?? []), faults };
}

/** All faults as text, one a line, such as `invoices.yaml:7: fields.amount is no type`. */
export function describeFaults(faults: FileFault[]): string[] {
  return faults.map(({ file, line, detail }) => `${file}${line === null ? '' : `:${line}`}: ${detail}`);
}

async function filesBelow(
  directory: string,
  mustExist: boolean,
): Promise<{ files: string[] } | { faults: FileFault[] }> {
  const whole = (detail: string) => ({ faults: [{ file: directory, line: null, detail }] });
  try {
    const names = await readdir(directory, { recursive: true });
    const files = names.filter((name) => /\.ya?ml$/.test(name)).toSorted();
    return files.length > MAX_FILES ? whole(`has more than ${MAX_FILES} files.`) : { files };
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === 'ENOENT' && !mustExist) return { files: [] };
    return whole(code === 'ENOENT' ? 'does not exist.' : `cannot be read (${code ?? 'unknown'}).`);
  }
}

async function readFileOf(directory: string, file: string): Promise<Declared> {
  const nowhere = (detail: string): Declared => ({
    definition: null,
    draft: null,
    file,
    faults: [{ file, line: null, detail }],
    at: () => ({ file, line: null }),
  });
  let text: string;
  try {
    const path = join(directory, file);
    const about = await stat(path);
    // Others, such as pipes, may have no end.
    if (!about.isFile()) return nowhere('is not a regular file.');
    if (about.size > MAX_FILE_BYTES) return nowhere(`is larger than ${MAX_FILE_BYTES} bytes.`);
    text = await readFile(path, 'utf8');
  } catch (error) {
    return nowhere(`cannot be read (${(error as { code?: string }).code ?? 'unknown'}).`);
  }
  return readText(file, text);
}

function readText(file: string, text: string): Declared {
  const source = new YamlSource(text);
  const at = (path: string[]) => ({ file, line: source.lineOf(path) });
  const read = source.faults.length > 0 ? null : readShape(source.value());
  const all = [
    ...source.faults.map((fault) => () => ({ file, ...fault })),
    ...(read?.faults ?? []).map(({ path, detail }) => () => {
      return { ...at(path), detail: `${path.length === 0 ? 'The file' : path.join('.')} ${detail}.` };
    }),
  ];
  const faults = all.slice(0, MAX_FAULTS).map((tell) => tell());
  if (all.length > MAX_FAULTS) faults.push({ file, line: null, detail: `has ${all.length - MAX_FAULTS} more faults.` });
  return { definition: read?.definition ?? null, draft: read?.draft ?? null, file, faults, at };
}

function byLine(one: FileFault, other: FileFault): number {
  return (one.line ?? Infinity) - (other.line ?? Infinity);
}
