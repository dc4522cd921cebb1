import { createHash, type Hash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Transform, type TransformCallback } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createZstdCompress } from 'node:zlib';
import { type Destination, Output } from './output.js';
import { COLUMNS, type DataSetName, type Format } from './row-formats.js';

/** The file that says what is in the folder. It is written last: data without it are not complete. */
export const MANIFEST = 'manifest.json';

/** A file of the folder. */
export interface MadeFile {
  name: string;
  bytes: number;
  sha256: string;
}

/** Level 3 takes half of the time that making rows does. */
const ZSTD_LEVEL = 3;

/** Thrown for a folder that holds something else. */
export class FolderInUse extends Error {}

/** Keeps each data set in a file of one folder. */
export class FolderDestination implements Destination {
  private readonly files: Meter[] = [];

  private constructor(
    private readonly folder: string,
    readonly format: Format,
    readonly isCompressed: boolean,
  ) {}

  /**
   * Makes the folder, or removes what an earlier run has left in it.
   * @throws FolderInUse if it holds anything else
   */
  static async prepare(folder: string, format: Format, isCompressed: boolean): Promise<FolderDestination> {
    await mkdir(folder, { recursive: true });
    const found = await readdir(folder);
    const foreign = found.find((name) => !OWN_NAMES.has(name));
    if (foreign !== undefined) throw new FolderInUse(`${folder} holds something else, such as ${foreign}.`);
    // The manifest goes first, so that what is left after a crash is not taken for complete.
    await rm(join(folder, MANIFEST), { force: true });
    await Promise.all(found.map((name) => rm(join(folder, name), { force: true })));
    return new FolderDestination(folder, format, isCompressed);
  }

  open(name: DataSetName): Promise<Output> {
    const isChosen = CHOSEN.has(name);
    const isCompressed = isChosen && this.isCompressed;
    const fileName = `${name}.${isChosen ? this.format : 'csv'}${isCompressed ? '.zst' : ''}`;
    const meter = new Meter(fileName);
    this.files.push(meter);
    const file = createWriteStream(join(this.folder, fileName));
    if (!isCompressed) return Promise.resolve(new Output(meter, pipeline(meter, file)));
    const compress = createZstdCompress({ params: { [constants.ZSTD_c_compressionLevel]: ZSTD_LEVEL } });
    return Promise.resolve(new Output(compress, pipeline(compress, meter, file)));
  }

  /** Writes the manifest, with the files among what it says. */
  async finish(manifest: object): Promise<void> {
    // Files that are open side by side were opened in any order.
    const files = this.files
      .map(({ name, bytes, sha256 }): MadeFile => ({ name, bytes, sha256 }))
      .toSorted((one, other) => (one.name < other.name ? -1 : 1));
    const temporary = join(this.folder, `${MANIFEST}.new`);
    await writeFile(temporary, `${JSON.stringify({ ...manifest, files }, null, 2)}\n`);
    await rename(temporary, join(this.folder, MANIFEST));
  }

  get bytes(): number {
    return this.files.reduce((sum, { bytes }) => sum + bytes, 0);
  }
}

/** Data sets whose format can be chosen. */
const CHOSEN: ReadonlySet<DataSetName> = new Set(['companies', 'rates', 'sepa', 'swift']);

/** Names of files that a run may have left. */
const OWN_NAMES: ReadonlySet<string> = new Set([
  MANIFEST,
  `${MANIFEST}.new`,
  ...Object.keys(COLUMNS).flatMap((name) => ['csv', 'ndjson', 'csv.zst', 'ndjson.zst'].map((end) => `${name}.${end}`)),
]);

/** Counts and digests what goes into a file. */
class Meter extends Transform {
  bytes = 0;
  sha256 = '';
  private readonly hash: Hash = createHash('sha256');

  constructor(readonly name: string) {
    super({ highWaterMark: 1024 * 1024 });
  }

  override _transform(chunk: Buffer, _encoding: string, done: TransformCallback): void {
    this.hash.update(chunk);
    this.bytes += chunk.length;
    done(null, chunk);
  }

  override _flush(done: TransformCallback): void {
    this.sha256 = this.hash.digest('hex');
    done();
  }
}
