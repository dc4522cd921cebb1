import { EntityManager } from '@mikro-orm/postgresql';
import { type BeforeApplicationShutdown, Injectable, Logger } from '@nestjs/common';
import { Counter, Registry } from 'prom-client';
import { appendAudit, type AuditEntry } from './append-audit.js';
import { safeError } from '../logging/safe-error.js';
import { Refusal } from '../http/refusal.js';

/** Entries per statement: it locks the end of the chain for some 20 ms, while other instances wait. */
const MAX_BATCH = 500;

/** Entries that may wait: what is written in some seconds. Beyond it callers get a 503 instead of waiting. */
const MAX_WAITING = 5_000;

/**
 * How long an entry that no request waits for may wait for further ones. When they were written at once there were two
 * in a transaction, and the p95 of pages of patients for four concurrent callers was 11.6 and 14.6 ms; with this delay
 * it was 9.6 and 10.0 ms.
 */
const BATCHING_DELAY_MS = 25;

/** An entry and the request that waits until it is durable. */
interface Waiting {
  entry: AuditEntry;
  resolve: () => void;
  reject: (error: Refusal) => void;
}

/**
 * Writes entries to the audit log. Entries that arrive while a batch is being written form the next batch: a single
 * caller waits for one statement, and a thousand callers do not wait for a thousand.
 */
@Injectable()
export class AuditLog implements BeforeApplicationShutdown {
  private readonly logger = new Logger(AuditLog.name);
  private readonly unwritten: Counter;
  private waiting: Waiting[] = [];
  private writing: Promise<void> | null = null;
  private timer: NodeJS.Timeout | undefined;
  private isHealthy = true;
  private isStopping = false;

  constructor(
    private readonly em: EntityManager,
    registry: Registry,
  ) {
    this.unwritten = new Counter({
      name: 'counterpart_audit_unwritten_total',
      help: 'Entries that could not be written to the audit log; their requests were answered with 503',
      registers: [registry],
    });
  }

  /** Returns once the entry is committed. @throws Refusal 503 if it cannot be */
  write(entry: AuditEntry): Promise<void> {
    const written = this.enqueue(entry);
    this.startWriting();
    return written;
  }

  /**
   * Takes an entry that no request waits for: it is written some milliseconds later, together with others. After a
   * failed write, and during a shutdown, it waits as `write` does. @throws Refusal 503 if as many wait as may
   */
  async writeSoon(entry: AuditEntry): Promise<void> {
    if (!this.isHealthy || this.isStopping || this.waiting.length >= MAX_WAITING) return this.write(entry);
    this.enqueue(entry).catch(() => undefined);
    this.timer ??= setTimeout(() => this.startWriting(), BATCHING_DELAY_MS);
  }

  /** Writes the entries that no request waits for. */
  async beforeApplicationShutdown(): Promise<void> {
    this.isStopping = true;
    this.startWriting();
    await this.writing;
  }

  private enqueue(entry: AuditEntry): Promise<void> {
    if (this.waiting.length >= MAX_WAITING) {
      this.unwritten.inc();
      return Promise.reject(Refusal.unavailable());
    }
    return new Promise((resolve, reject) => this.waiting.push({ entry, resolve, reject }));
  }

  private startWriting(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    // Without entries `writeAll` would end before `writing` is assigned, which would then never be cleared.
    if (this.waiting.length > 0) this.writing ??= this.writeAll();
  }

  private async writeAll(): Promise<void> {
    while (this.waiting.length > 0) {
      const batch = this.waiting.slice(0, MAX_BATCH);
      this.waiting = this.waiting.slice(MAX_BATCH);
      await this.writeBatch(batch);
    }
    this.writing = null;
  }

  /** Never rejects. */
  private async writeBatch(batch: Waiting[]): Promise<void> {
    try {
      await appendAudit(
        this.em.fork(),
        batch.map(({ entry }) => entry),
      );
      this.isHealthy = true;
      for (const { resolve } of batch) resolve();
    } catch (error) {
      this.isHealthy = false;
      this.unwritten.inc(batch.length);
      // What was already done is at least logged here; an entry holds nothing that may not be logged.
      const lost = batch.map(({ entry }) => entry).filter(({ outcome }) => outcome === 'allowed');
      this.logger.error({ err: safeError(error), entries: lost }, 'the audit log cannot be written');
      for (const { reject } of batch) reject(Refusal.unavailable());
    }
  }
}
