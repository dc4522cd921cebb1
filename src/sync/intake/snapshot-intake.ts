import { LockMode, UniqueConstraintViolationException } from '@mikro-orm/core';
import { EntityManager } from '@mikro-orm/postgresql';
import { Inject, Injectable, Logger } from '@nestjs/common';
import { createHash } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import { orderOf } from '../../definitions/bounds.js';
import { windowField } from '../../definitions/window.js';
import { CONFIG, type Config } from '../../settings/config.js';
import { Refusal } from '../../http/refusal.js';
import { atStep } from '../../runtime/steps.js';
import { acceptJob, type AcceptedJob, NO_WINDOW } from '../leases/accept-job.js';
import { JobQueue } from '../model/job-queue.js';
import { SyncJob } from '../model/sync-job.entity.js';
import { queueFor } from '../model/sync-queues.js';
import { BodyCheck } from './body-check.js';
import { IdempotencyKey } from '../snapshots/idempotency-key.entity.js';
import type { IncomingSnapshot } from './incoming-snapshot.js';
import { SnapshotStore, type SnapshotWriter } from '../snapshots/snapshot-store.js';
import { Snapshot } from '../snapshots/snapshot.entity.js';
import { MirrorTables } from '../tables/mirror-table.js';
import { StoredBytes } from '../snapshots/stored-bytes.js';

/** Takes snapshots in: once `accept` has returned, the bytes and the job are committed and the work will be done. */
@Injectable()
export class SnapshotIntake {
  private readonly logger = new Logger(SnapshotIntake.name);

  constructor(
    private readonly em: EntityManager,
    private readonly store: SnapshotStore,
    private readonly queue: JobQueue,
    private readonly storedBytes: StoredBytes,
    private readonly tables: MirrorTables,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /**
   * Streams the body into the store and makes the job, or finds the one that the same `Idempotency-Key` made before.
   * @throws Refusal 400, 408, 413, 422 or 507; then, and if the client goes away, nothing is kept
   */
  async accept(incoming: IncomingSnapshot, sourceId: number): Promise<SyncJob> {
    const accepted = await this.receive(incoming, sourceId);
    await this.notifyWorkers(accepted);
    return accepted.job;
  }

  /**
   * A new job from the bytes of an earlier one, as the newest of its source and resource.
   * @throws Refusal 404 if the file of its resource is gone; 409 without a snapshot; 410 if its bytes are no longer kept
   */
  async replay(original: SyncJob): Promise<SyncJob> {
    this.tables.of(original.resource);
    const accepted = await this.em.fork().transactional(async (em) => {
      if (original.snapshotId === null) {
        throw new Refusal(409, 'nothing_to_replay', 'The job had no snapshot: it reverted another job.');
      }
      const snapshot = await em.findOneOrFail(Snapshot, original.snapshotId, { lockMode: LockMode.PESSIMISTIC_READ });
      if (snapshot.purgedAt) throw new Refusal(410, 'snapshot_gone', 'The bytes of this snapshot are no longer kept.');
      return acceptJob(em, { ...optionsOf(original), replayOf: original.id, revertOf: null });
    });
    await this.notifyWorkers(accepted);
    return accepted.job;
  }

  /** A job that it has superseded may have been a held one for which others wait: their turn may have come. */
  private async notifyWorkers({ job, superseded }: AcceptedJob): Promise<void> {
    atStep('snapshot committed');
    await this.queue.notify(job);
    atStep('job notification sent');
    if (superseded > 0) await this.queue.notifyNext(job.sourceId, job.resource, job.id);
  }

  private async receive(incoming: IncomingSnapshot, sourceId: number): Promise<AcceptedJob> {
    const check = new BodyCheck(incoming, this.config.MAX_BODY_BYTES);
    const snapshot = await this.newSnapshot(incoming, sourceId);
    const writer = this.store.writer(snapshot);
    try {
      for await (const bytes of incoming.body) {
        await check.pass(bytes);
        await writer.write(bytes);
      }
      snapshot.sha256 = await check.end();
      snapshot.bytes = check.bytes;
      snapshot.inflatedBytes = check.inflatedBytes;
      return await this.commit(incoming, snapshot, writer);
    } catch (error) {
      await this.discard(snapshot, writer);
      throw error;
    } finally {
      check.close();
    }
  }

  private async newSnapshot(incoming: IncomingSnapshot, sourceId: number): Promise<Snapshot> {
    const snapshot = new Snapshot();
    snapshot.id = uuidv7();
    snapshot.sourceId = sourceId;
    await this.storedBytes.makeRoom(sourceId);
    snapshot.format = incoming.format;
    snapshot.contentType = incoming.contentType;
    snapshot.contentEncoding = incoming.contentEncoding;
    snapshot.touchedAt = new Date();
    return snapshot;
  }

  /** The one transaction that makes a 202 durable: the last chunk, the snapshot, the key, the job, what it supersedes. */
  private async commit(incoming: IncomingSnapshot, snapshot: Snapshot, writer: SnapshotWriter): Promise<AcceptedJob> {
    const last = await writer.finish();
    const request = requestDigest(incoming, snapshot.sha256);
    const isBegun = writer.chunks > 0;
    snapshot.chunks = writer.chunks + (last ? 1 : 0);
    snapshot.storedBytes = writer.storedBytes;
    snapshot.complete = true;
    try {
      return await this.em.fork().transactional(async (em) => {
        if (isBegun) await em.nativeUpdate(Snapshot, snapshot.id, this.outcome(snapshot));
        else await em.insert(snapshot);
        if (last) await this.store.insertChunk(em, snapshot.id, writer.chunks, last);
        const { resource, mode, deletes, dryRun } = incoming;
        const { sourceId, id: snapshotId, inflatedBytes } = snapshot;
        const queue = queueFor(inflatedBytes, this.config.SHORT_JOB_BYTES);
        const order = { sourceId, resource: resource.name, mode, deletes, dryRun, snapshotId, ...boundsOf(incoming) };
        const accepted = await acceptJob(em, { ...order, queue, replayOf: null, revertOf: null });
        if (incoming.idempotencyKey !== null) {
          const key = { sourceId: snapshot.sourceId, key: incoming.idempotencyKey, request, jobId: accepted.job.id };
          await em.insert(IdempotencyKey, key);
        }
        return accepted;
      });
    } catch (error) {
      if (!(error instanceof UniqueConstraintViolationException) || incoming.idempotencyKey === null) throw error;
      const job = await this.firstJob(snapshot.sourceId, incoming.idempotencyKey, request);
      await this.discard(snapshot, writer);
      return { job, superseded: 0 };
    }
  }

  private outcome({ bytes, inflatedBytes, storedBytes, sha256, chunks }: Snapshot) {
    return { bytes, inflatedBytes, storedBytes, sha256, chunks, complete: true, touchedAt: new Date() };
  }

  private async firstJob(sourceId: number, key: string, request: string): Promise<SyncJob> {
    const em = this.em.fork();
    const known = await em.findOneOrFail(IdempotencyKey, { sourceId, key });
    if (known.request === request) return em.findOneOrFail(SyncJob, known.jobId);
    const detail = 'This Idempotency-Key was used for another request: with another body, query or resource.';
    throw new Refusal(422, 'idempotency_key_reused', detail);
  }

  private async discard(snapshot: Snapshot, writer: SnapshotWriter): Promise<void> {
    await writer.finish().catch(() => undefined);
    if (writer.chunks === 0) return;
    // If even that fails, the cleaner takes it once nothing has been added for a while.
    await this.store
      .discard(snapshot.id)
      .catch(() => this.logger.warn({ snapshot: snapshot.id }, 'an interrupted upload could not be deleted'));
  }
}

function boundsOf({ resource, window }: IncomingSnapshot) {
  if (window === null) return NO_WINDOW;
  const { name, type } = windowField(resource);
  const [windowLow, windowHigh] = [orderOf(type, window.from), orderOf(type, window.to)];
  return { windowField: name, windowFrom: window.from, windowTo: window.to, windowLow, windowHigh };
}

function optionsOf(job: SyncJob) {
  const { sourceId, resource, snapshotId, queue, mode, deletes, dryRun } = job;
  const { windowField: field, windowFrom, windowTo, windowLow, windowHigh } = job;
  return {
    sourceId,
    resource,
    snapshotId,
    queue,
    mode,
    deletes,
    dryRun,
    windowFrom,
    windowTo,
    windowLow,
    windowHigh,
    windowField: field,
  };
}

/** What makes two requests with one key the same: the resource, the query, and the body with how it is to be read. */
function requestDigest(incoming: IncomingSnapshot, sha256: string): string {
  const { resource, mode, window, deletes, dryRun, format, contentEncoding } = incoming;
  const scope = window === null ? mode : [mode, window.from, window.to];
  const parts = [resource.name, scope, deletes, dryRun, format, contentEncoding, sha256];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}
