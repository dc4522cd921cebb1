import { pipeline } from 'node:stream/promises';
import pg from 'pg';
import { from, to } from 'pg-copy-streams';

/**
 * RAW: a plain COPY of the mirrored transactions into tables with the same columns and indexes, in the same server, which are dropped
 * after it. @returns seconds
 */
export async function copyRaw(databaseUrl: string): Promise<number> {
  const [reader, writer] = [new pg.Client(databaseUrl), new pg.Client(databaseUrl)];
  await Promise.all([reader.connect(), writer.connect()]);
  try {
    let seconds = 0;
    for (const kind of ['sepa', 'swift']) {
      // oxlint-disable-next-line no-await-in-loop -- two tables
      seconds += await copyKind(reader, writer, kind);
    }
    return seconds;
  } finally {
    await Promise.all([reader.end(), writer.end()]);
  }
}

async function copyKind(reader: pg.Client, writer: pg.Client, kind: string): Promise<number> {
  // As rows of the owner, whom row-level security binds too.
  await reader.query('set role counterpart_system');
  await writer.query(`create table raw_${kind} (like mirrored_${kind} including all)`);
  const start = performance.now();
  const source = reader.query(to(`copy (select * from mirrored_${kind} order by "timestamp") to stdout`));
  await pipeline(source, writer.query(from(`copy raw_${kind} from stdin`)));
  const seconds = (performance.now() - start) / 1_000;
  await writer.query(`drop table raw_${kind}`);
  return seconds;
}
