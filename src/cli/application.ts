import type { Options } from '@mikro-orm/postgresql';
import type { Client } from 'pg';
import type { AccountsVerdict } from '../accounts/accounts-verdict.js';
import type { AuditHead, AuditVerdict } from '../audit/audit-verdict.js';
import type { CashflowVerdict } from '../cashflow/cashflow-verdict.js';
import type { Config } from '../settings/config.js';
import type { MirrorVerdict } from '../sync/verify/mirror-verdict.js';
import type { TotalsVerdict } from '../claims/totals-verdict.js';

/** What applying the files of resources changes. */
export interface SchemaChangeView {
  resource: string;
  what: string;
  loses: boolean;
}

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
  /** The names of the mirrored resources: `patients`, `payments`, and those of the files here that can be read. */
  resourceNames(config: Config): Promise<string[]>;
  /**
   * @param options.operatorKey a key with all scopes, known only to this process
   * @param options.stopping aborted when the process is asked to stop, which gives up a start under way with its reason
   */
  startServer(config: Config, options: { operatorKey: string; stopping?: AbortSignal }): Promise<LocalServer>;
  migrationOptions(databaseUrl: string): Promise<Options>;
  /** Reads the files of resources; the function then brings their tables up to date. @throws if a file is wrong */
  applyResources(config: Config, allowLoss: boolean): Promise<(client: Client) => Promise<SchemaChangeView[]>>;
  /** The same, but it only tells what would change. */
  checkResources(config: Config): Promise<(client: Client) => Promise<SchemaChangeView[]>>;
  /** Of all sources and resources, or of those that are named. @throws if a file of resources is wrong */
  verifyMirror(
    config: Config,
    databaseUrl: string,
    part: { source: string | null; resource: string | null },
  ): Promise<MirrorVerdict>;
  /** @param source its name, or null: all of them */
  verifyCashflow(databaseUrl: string, source: string | null): Promise<CashflowVerdict>;
  verifyAccounts(databaseUrl: string): Promise<AccountsVerdict>;
  verifyAudit(databaseUrl: string, expected: AuditHead | null): Promise<AuditVerdict>;
  /** @param source its name, or null: all of them */
  verifyTotals(databaseUrl: string, source: string | null): Promise<TotalsVerdict>;
  rebuildTotals(databaseUrl: string, source: string | null): Promise<TotalsVerdict>;
}
