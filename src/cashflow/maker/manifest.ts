import { DATES, DAYS } from './days.js';
import type { MadeFile } from './folder-destination.js';
import type { MakeOptions, RowCounts } from './make-data.js';
import type { Format } from './row-formats.js';
import type { SizeName } from './sizes.js';

/** What `manifest.json` holds: how the data were made, and what there is. It says no time and no place: the same seed makes the same bytes. */
export interface Manifest {
  kind: 'cashflow-data';
  version: 1;
  size: SizeName;
  seed: number;
  flat: boolean;
  format: Format;
  compression: 'zstd' | null;
  /** The first day, and the first one after the last. */
  from: string;
  to: string;
  rows: RowCounts;
  files: MadeFile[];
}

export const KIND = 'cashflow-data';
export const VERSION = 1;

/** All of the manifest but the files. */
export function describeData(
  size: SizeName,
  { seed, isFlat }: MakeOptions,
  { format, isCompressed }: { format: Format; isCompressed: boolean },
  rows: RowCounts,
): Omit<Manifest, 'files'> {
  return {
    kind: KIND,
    version: VERSION,
    size,
    seed,
    flat: isFlat,
    format,
    compression: isCompressed ? 'zstd' : null,
    from: DATES[0] as string,
    to: DATES[DAYS] as string,
    rows,
  };
}
