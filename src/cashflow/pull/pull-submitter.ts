import { Inject, Injectable } from '@nestjs/common';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { zstdDecompress } from 'node:zlib';
import { Definitions } from '../../definitions/definitions.js';
import { readWindow } from '../../definitions/window.js';
import { Refusal } from '../../http/refusal.js';
import { CONFIG, type Config } from '../../settings/config.js';
import type { IncomingSnapshot } from '../../sync/intake/incoming-snapshot.js';
import { SnapshotIntake } from '../../sync/intake/snapshot-intake.js';
import type { Pulled } from '../source/dialects.js';
import { instantOf, midnight, type Span } from '../source/moments.js';
import { SourceFault } from '../source/source-fault.js';
import { PullStore, type StoredPiece } from './pull-store.js';
import type { PullRow } from './pull-row.js';

const decompress = promisify(zstdDecompress);

/** Refusals of the intake that pass: there is no room at the moment. */
const PASSING = [429, 503, 507];

/** Pieces that are one snapshot: everything of a resource (`span` is null), or a range of times without a gap. */
interface Batch {
  span: Span | null;
  pieces: StoredPiece[];
}

/** Hands what a pull has received to the intake, as one snapshot a month. */
@Injectable()
export class PullSubmitter {
  constructor(
    private readonly store: PullStore,
    private readonly intake: SnapshotIntake,
    private readonly definitions: Definitions,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /**
   * Submits the months before `openMonth`, of which nothing more is to come; null: all. A crash in between repeats it under the
   * same idempotency keys, which finds the same jobs.
   * @throws SourceFault if the intake does not take it, PullLost
   */
  async submit(pull: PullRow, resource: Pulled, openMonth: string | null, signal: AbortSignal): Promise<void> {
    const stored = await this.store.pieces(pull, resource);
    const complete = stored.filter(({ month }) => openMonth === null || month < openMonth);
    for (const batch of batchesOf(complete)) {
      const seqs = batch.pieces.map(({ seq }) => seq);
      const jobId = isEmpty(batch) ? null : await this.accept(pull, resource, batch, signal);
      await this.store.submitted(pull, resource, seqs, jobId);
    }
  }

  private async accept(pull: PullRow, resource: Pulled, batch: Batch, signal: AbortSignal): Promise<string> {
    for (let attempt = 1; ; attempt++) {
      try {
        const job = await this.intake.accept(this.snapshotOf(pull, resource, batch), pull.source_id);
        return job.id;
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        if (!PASSING.includes(error.status) || attempt >= this.config.PULL_ATTEMPTS) {
          throw new SourceFault(error.code, error.detail, 'none');
        }
        await delay(this.config.PULL_RETRY_MS * attempt, undefined, { signal });
      }
    }
  }

  private snapshotOf(pull: PullRow, resource: Pulled, { span, pieces }: Batch): IncomingSnapshot {
    const definition = this.definitions.get(resource);
    const [from, to] = span === null ? [] : [instantOf(span.from), instantOf(span.to)];
    const holdsRows = pieces.some(({ records }) => records > 0);
    return {
      resource: definition,
      source: pull.source,
      mode: span === null ? 'full' : 'window',
      window: span === null ? null : readWindow(definition, from, to),
      deletes: 'auto',
      dryRun: false,
      // There is no NDJSON without a line.
      format: holdsRows ? 'ndjson' : 'json',
      contentType: holdsRows ? 'application/x-ndjson' : 'application/json',
      contentEncoding: null,
      digest: null,
      idempotencyKey: ['pull', pull.id, resource, ...(from && to ? [from, to] : [])].join(':'),
      contentLength: null,
      body: holdsRows ? this.rowsOf(pull, resource, pieces) : emptyList(),
    };
  }

  /** Piece by piece, so that a month takes no more memory than a piece. */
  private async *rowsOf(pull: PullRow, resource: Pulled, pieces: StoredPiece[]): AsyncGenerator<Buffer> {
    for (const { seq, records } of pieces) {
      const data = records === 0 ? null : await this.store.data(pull, resource, seq);
      if (data !== null) yield await decompress(data);
    }
  }
}

// eslint-disable-next-line @typescript-eslint/require-await -- a body is asynchronous
async function* emptyList(): AsyncGenerator<Buffer> {
  yield Buffer.from('[]');
}

/** The pieces of a month without a gap between them are one batch. They come in the order of months and times. */
function batchesOf(pieces: StoredPiece[]): Batch[] {
  const batches: (Batch & { month: string })[] = [];
  for (const piece of pieces) {
    const last = batches.at(-1);
    const isNext = last !== undefined && last.month === piece.month && piece.from <= (last.span?.to ?? '');
    if (last !== undefined && isNext) {
      last.pieces.push(piece);
      if (last.span && piece.to > last.span.to) last.span.to = piece.to;
    } else {
      const span = piece.month === '' ? null : { from: piece.from, to: piece.to };
      batches.push({ month: piece.month, span, pieces: [piece] });
    }
  }
  return batches.map(({ span, pieces: own }) => ({ span: span && withExtent(span, own), pieces: own }));
}

/** Rows of times that were received before have no times of their own left: they get a day, outside of which they are rejected. */
function withExtent(span: Span, pieces: StoredPiece[]): Span {
  const holdsRows = pieces.some(({ records }) => records > 0);
  return span.from === span.to && holdsRows ? { from: span.from, to: midnight(span.from, 1) } : span;
}

/** A span without extent and rows says nothing. */
function isEmpty({ span }: Batch): boolean {
  return span !== null && span.from === span.to;
}
