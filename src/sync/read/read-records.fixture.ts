import { type RecordBatch, readRecords, type SnapshotFormat } from './read-records.js';
import type { ReadLimits } from '../bytes/read-limits.js';
import { SnapshotFault } from '../bytes/snapshot-fault.js';

/** How a read ended: all records in order, or the fault's own fields. */
export type Outcome =
  { records: unknown[] } | { code: string; line: number | null; byteOffset: number | null; record: number | null };

/** Bytes as an async source of chunks of the given sizes, over and over. */
export async function* chunked(bytes: Buffer, sizes: readonly number[] = [bytes.length + 1]): AsyncGenerator<Buffer> {
  for (let start = 0, turn = 0; start < bytes.length; turn++) {
    const size = sizes[turn % sizes.length] as number;
    yield bytes.subarray(start, start + size);
    start += size;
  }
}

/** Reads everything and checks on the way that the batches join up. */
export async function readAll(
  format: SnapshotFormat,
  body: string | Buffer,
  limits: Partial<ReadLimits> = {},
  sizes?: readonly number[],
): Promise<unknown[]> {
  const bytes = Buffer.from(body as string);
  const records: unknown[] = [];
  let last: RecordBatch | undefined;
  for await (const batch of readRecords(format, chunked(bytes, sizes), limits)) {
    if (batch.firstIndex !== records.length || batch.records.length === 0) {
      throw new Error(
        `batch at ${batch.firstIndex} of ${batch.records.length} does not follow ${records.length} records`,
      );
    }
    if (batch.bytesRead <= (last?.bytesRead ?? 0) || batch.bytesRead > bytes.length) {
      throw new Error(`bytesRead ${batch.bytesRead} after ${last?.bytesRead} of ${bytes.length}`);
    }
    for (const record of batch.records) {
      records.push(record);
    }
    last = batch;
  }
  return records;
}

/** Like `readAll`, but a fault is an outcome too. */
export async function outcomeOf(...args: Parameters<typeof readAll>): Promise<Outcome> {
  try {
    return { records: await readAll(...args) };
  } catch (error) {
    if (!(error instanceof SnapshotFault)) {
      throw error;
    }
    const { code, line, byteOffset, record } = error;
    return { code, line, byteOffset, record };
  }
}
