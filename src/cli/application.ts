import type { Options } from '@mikro-orm/postgresql';
import type { AccountsVerdict } from '../platform/accounts-verdict.js';
import type { AuditHead, AuditVerdict } from '../platform/audit-verdict.js';
import type { Config } from '../platform/config.js';
import type { TotalsVerdict } from '../platform/totals-verdict.js';

/** A server in this process. */
export interface LocalServer {
  url: string;
  close(): Promise<void>;
}

/**
 * What the commands need from the application itself. It is loaded when a command first needs it, as loading takes about a
 * second, and commands that only call a running server do not need it.
 */
export interface Application {
  /** The names of the mirrored resources: `patients`, `payments`, … */
  resourceNames(): Promise<string[]>;
  /**
   * @param options.operatorKey a key with all scopes, known only to this process
   * @param options.stopping aborted when the process is asked to stop, which gives up a start under way with its reason
   */
  startServer(config: Config, options: { operatorKey: string; stopping?: AbortSignal }): Promise<LocalServer>;
  migrationOptions(databaseUrl: string): Promise<Options>;
  verifyAccounts(databaseUrl: string): Promise<AccountsVerdict>;
  verifyAudit(databaseUrl: string, expected: AuditHead | null): Promise<AuditVerdict>;
  /** @param source its name, or null: all of them */
  verifyTotals(databaseUrl: string, source: string | null): Promise<TotalsVerdict>;
  rebuildTotals(databaseUrl: string, source: string | null): Promise<TotalsVerdict>;
}
