import type { EntityManager } from '@mikro-orm/postgresql';

/** Rows to delete, a batch for each statement: a short statement holds its locks for a moment only. */
export interface BatchedDelete {
  /** Deletes one batch and returns one row with the number of rows as `deleted`. */
  sql: string;
  values: unknown[];
  /** A batch with fewer rows than this was the last one. */
  fullBatch: number;
  /** Bounds one call; the next one continues where this one ended. */
  maxBatches: number;
}

/** Deletes batch after batch until one is not full. Each statement is committed by itself. */
export async function deleteInBatches(em: EntityManager, batches: BatchedDelete): Promise<void> {
  const { sql, values, fullBatch, maxBatches } = batches;
  for (let batch = 0; batch < maxBatches; batch += 1) {
    const [row] = await em.execute<{ deleted: number }[]>(sql, values);
    if ((row?.deleted ?? 0) < fullBatch) return;
  }
}
