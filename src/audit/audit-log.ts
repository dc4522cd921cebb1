import { EntityManager } from '@mikro-orm/postgresql';
import { type BeforeApplicationShutdown, Injectable, Logger } from '@nestjs/common';
import { Counter, Registry } from 'prom-client';
import { appendAudit, type AuditEntry } from '../platform/append-audit.js';
import { safeError } from '../platform/safe-error.js';
import { Refusal } from '../platform/refusal.js';

/** Entries of one statement: it holds the end of the chain for some 20 ms then, and other instances wait. */
const MAX_BATCH = 500;

/** Entries that may wait, some seconds' worth. Beyond it callers are told to come back rather than kept waiting. */
const MAX_WAITING = 5_000;

/** An entry and whoever waits for it to be durable. */
interface Waiting {
  entry: AuditEntry;
  resolve: () => void;
  reject: (error: Refusal) => void;
}

/**
 * Writes entries to the audit log. All that come while a batch is being written form the next one: so a lone caller waits
 * for one statement, and a thousand callers do not wait for a thousand.
 */
@Injectable()
export class AuditLog implements BeforeApplicationShutdown {
  private readonly logger = new Logger(AuditLog.name);
  private readonly unwritten: Counter;
  private waiting: Waiting[] = [];
  private writing: Promise<void> | null = null;
  private isHealthy = true;

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
    if (this.waiting.length >= MAX_WAITING) {
      this.unwritten.inc();
      return Promise.reject(Refusal.unavailable());
    }
    return new Promise((resolve, reject) => {
      this.waiting.push({ entry, resolve, reject });
      this.writing ??= this.writeAll();
    });
  }

  /**
   * Takes an entry that nobody waits for: it is written with the next ones, some milliseconds later. Once one could not
   * be written everybody waits again.
   */
  async writeSoon(entry: AuditEntry): Promise<void> {
    const written = this.write(entry);
    if (!this.isHealthy) return written;
    written.catch(() => undefined);
  }

  /** Entries for which nobody waits are written all the same. */
  async beforeApplicationShutdown(): Promise<void> {
    await this.writing;
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
      // What was done already leaves its trace here at least; there is nothing in it that may not be logged.
      const lost = batch.map(({ entry }) => entry).filter(({ outcome }) => outcome === 'allowed');
      this.logger.error({ err: safeError(error), entries: lost }, 'the audit log cannot be written');
      for (const { reject } of batch) reject(Refusal.unavailable());
    }
  }
}
