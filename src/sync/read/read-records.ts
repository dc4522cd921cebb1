import { readCsv } from './csv-reader.js';
import { readJsonArray } from './json-array-reader.js';
import { readNdjson } from './ndjson-reader.js';
import { READ_LIMITS, type ReadLimits } from '../bytes/read-limits.js';
import type { RecordBatch } from './record-batch.js';
import { rechunk } from '../bytes/rechunk.js';
import type { SnapshotFormat } from '../bytes/snapshot-format.js';

export type { RecordBatch, SnapshotFormat };

const READERS = { json: readJsonArray, ndjson: readNdjson, csv: readCsv };

/**
 * Reads the inflated bytes of a snapshot as batches of parsed records, in order, in flat memory whatever its size.
 * Accepts exactly what JSON.parse would accept (or RFC 4180), rounds no number, and depends in no way on how the bytes
 * are cut into chunks. Batches come before a fault after them is found: apply none before the generator has ended.
 *
 * @throws SnapshotFault if the snapshot as a whole is unreadable; what `chunks` throws passes through untouched
 */
export async function* readRecords(
  format: SnapshotFormat,
  chunks: AsyncIterable<Buffer>,
  limits: Partial<ReadLimits> = {},
): AsyncGenerator<RecordBatch> {
  const all = { ...READ_LIMITS, ...limits };
  yield* READERS[format](rechunk(chunks, all.pieceBytes), all);
}
