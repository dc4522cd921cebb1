import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { pipeline, Readable } from 'node:stream';
import { promisify } from 'node:util';
import { createBrotliDecompress, createGunzip, constants, zstdCompress, zstdDecompress } from 'node:zlib';
import { Refusal } from '../../http/refusal.js';
import { type Snapshot } from './snapshot.entity.js';
import { ZstdFrames } from './zstd-frames.js';

const compress = promisify(zstdCompress);
const decompress = promisify(zstdDecompress);

/** Bytes of a body in one row of `snapshot_chunk`, before compression. */
const CHUNK_BYTES = 1024 ** 2;

/** Chunks that may be compressed and written at once while the next one comes in: two cores are busy with that. */
const CHUNKS_IN_FLIGHT = 3;

/** Fast rather than small: JSON shrinks to a quarter all the same. */
const ZSTD = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };

/** Takes the bytes of one snapshot, cuts them into chunks and writes these side by side with the upload. */
export class SnapshotWriter {
  private pending: Buffer[] = [];
  private pendingBytes = 0;
  private readonly inFlight = new Set<Promise<void>>();
  private failure: unknown = null;
  chunks = 0;
  storedBytes = 0;

  constructor(
    /** Makes the snapshot's row, before its first chunk; a small body has none until the end. */
    private readonly begin: () => Promise<void>,
    private readonly insert: (ordinal: number, data: Buffer) => Promise<void>,
    private readonly asSent: boolean,
  ) {}

  /** Resolves once there is room for more; rejects if an earlier chunk could not be written. */
  async write(bytes: Buffer): Promise<void> {
    this.pending.push(bytes);
    this.pendingBytes += bytes.length;
    if (this.pendingBytes >= CHUNK_BYTES) await this.flush();
  }

  /** The last chunk, for the transaction that accepts the snapshot, once all others are written. */
  async finish(): Promise<Buffer | null> {
    await Promise.all(this.inFlight);
    if (this.failure) throw this.failure;
    const last = this.take();
    return last.length === 0 ? null : this.encode(last);
  }

  private async flush(): Promise<void> {
    if (this.chunks === 0) await this.begin();
    const ordinal = this.chunks++;
    const task: Promise<void> = this.encode(this.take())
      .then((data) => this.insert(ordinal, data))
      .catch((error: unknown) => void (this.failure ??= error))
      .finally(() => this.inFlight.delete(task));
    this.inFlight.add(task);
    if (this.inFlight.size >= CHUNKS_IN_FLIGHT) await Promise.race(this.inFlight);
    if (this.failure) throw this.failure;
  }

  private take(): Buffer {
    const bytes = Buffer.concat(this.pending);
    this.pending = [];
    this.pendingBytes = 0;
    return bytes;
  }

  private async encode(bytes: Buffer): Promise<Buffer> {
    const encoded = this.asSent ? bytes : await compress(bytes, ZSTD);
    this.storedBytes += encoded.length;
    return encoded;
  }
}

/**
 * Keeps the bytes of snapshots in PostgreSQL, in compressed chunks. A body that came compressed is kept as it came;
 * any other one as zstd frames, one a chunk.
 */
@Injectable()
export class SnapshotStore {
  constructor(private readonly em: EntityManager) {}

  /** A writer for a snapshot that is still coming in. No connection is held between two chunks. */
  writer(snapshot: Snapshot): SnapshotWriter {
    const em = this.em.fork();
    const begin = async () => void (await em.insert(snapshot));
    return new SnapshotWriter(
      begin,
      (ordinal, data) => this.insertChunk(em, snapshot.id, ordinal, data),
      snapshot.contentEncoding !== null,
    );
  }

  async insertChunk(em: EntityManager, snapshotId: string, ordinal: number, data: Buffer): Promise<void> {
    // Renewed with each chunk, so that only an upload that has stopped looks abandoned.
    await em.execute(
      `with renewed as (update snapshot set touched_at = now() where id = ? and ? % 16 = 0)
       insert into snapshot_chunk (snapshot_id, ordinal, data) values (?, ?, ?)`,
      [snapshotId, ordinal, snapshotId, ordinal, data],
    );
  }

  /** Forgets a snapshot that no job belongs to. */
  async discard(snapshotId: string): Promise<void> {
    await this.em.fork().execute('delete from snapshot where id = ? and not complete', [snapshotId]);
  }

  /** The inflated bytes. */
  async *read(snapshot: Snapshot): AsyncGenerator<Buffer> {
    if (snapshot.contentEncoding === null) yield* this.asSent(snapshot);
    else yield* inflate(this.chunks(snapshot), snapshot.contentEncoding);
  }

  /**
   * The bytes as they were received.
   * @throws Refusal 410 when they are kept no more
   */
  async *asSent(snapshot: Snapshot): AsyncGenerator<Buffer> {
    for await (const chunk of this.chunks(snapshot)) {
      yield snapshot.contentEncoding === null ? await decompress(chunk) : chunk;
    }
  }

  /** The rows in order, each fetched while the one before is being worked on. */
  private async *chunks(snapshot: Snapshot): AsyncGenerator<Buffer> {
    let next = this.chunk(snapshot.id, 0);
    for (let ordinal = 0; ordinal < snapshot.chunks; ordinal += 1) {
      const data = await next;
      if (!data) throw new Refusal(410, 'snapshot_gone', 'The bytes of this snapshot are no longer kept.');
      next = ordinal + 1 < snapshot.chunks ? this.chunk(snapshot.id, ordinal + 1) : Promise.resolve(null);
      // Whoever stops reading does not wait for it.
      next.catch(() => undefined);
      yield data;
    }
  }

  private async chunk(snapshotId: string, ordinal: number): Promise<Buffer | null> {
    const rows = await this.em
      .fork()
      .execute<{ data: Buffer }[]>('select data from snapshot_chunk where snapshot_id = ? and ordinal = ?', [
        snapshotId,
        ordinal,
      ]);
    return rows[0]?.data ?? null;
  }
}

/** Bytes that an inflater hands on at once: what the readers like best. */
const INFLATED_CHUNK_BYTES = 64 * 1024;

/** A stream that undoes a `Content-Encoding`; its errors mean that the bytes are not what they claim to be. */
export function inflater(encoding: string) {
  const options = { chunkSize: INFLATED_CHUNK_BYTES };
  if (encoding === 'gzip') return createGunzip(options);
  return encoding === 'br' ? createBrotliDecompress(options) : new ZstdFrames(INFLATED_CHUNK_BYTES);
}

async function* inflate(chunks: AsyncIterable<Buffer>, encoding: string): AsyncGenerator<Buffer> {
  const inflated = inflater(encoding);
  // Failures of either side come out of the loop below; the callback only keeps them from being unhandled.
  pipeline(Readable.from(chunks), inflated, () => undefined);
  yield* inflated;
}
