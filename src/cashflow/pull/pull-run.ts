import type { Config } from '../../settings/config.js';
import { CircuitBreaker } from '../source/circuit-breaker.js';
import { type Dialect, dialectOf, PULLED, type Pulled, RAILS } from '../source/dialects.js';
import { SourceClient } from '../source/source-client.js';
import { SourceFault } from '../source/source-fault.js';
import type { SourceTargets } from '../source/source-targets.js';
import { gapsOf } from './coverage.js';
import { findDialect } from './find-dialect.js';
import { Lane, type LaneTools } from './lane.js';
import type { Gap, Position, PullRow, PullWarning } from './pull-row.js';
import type { PullStore } from './pull-store.js';
import type { PullSubmitter } from './pull-submitter.js';
import { answersPing, SourceCalls } from './source-calls.js';
import { warningsOf } from './pull-warnings.js';

/** The longest pause between two pings of a source that is away. */
const LONGEST_PROBE_MS = 30_000;

/** The process is to stop, so nothing more is asked for. */
export class Stopping extends Error {}

/** What a run works with. */
export interface RunTools {
  targets: SourceTargets;
  store: PullStore;
  submitter: PullSubmitter;
  config: Config;
  /** Aborted to end requests that are under way. */
  end: AbortController;
  mayGoOn: () => void;
}

/** Pulls one source: companies and rates first, since transactions are told by them, then both kinds side by side. */
export class PullRun {
  private readonly client: SourceClient;
  private readonly breaker: CircuitBreaker;
  private readonly lanes = new Map<Pulled, Lane>();

  constructor(
    private readonly pull: PullRow,
    private readonly tools: RunTools,
  ) {
    const { config, targets, store, end } = tools;
    this.client = new SourceClient(pull.base_url, targets, {
      silenceMs: config.PULL_TIMEOUT_SECONDS * 1000,
      answerMs: config.PULL_ANSWER_SECONDS * 1000,
      maxBytes: config.PULL_MAX_ANSWER_BYTES,
    });
    this.breaker = new CircuitBreaker(
      () => answersPing(this.client, end.signal),
      { firstMs: config.PULL_RETRY_MS, longestMs: LONGEST_PROBE_MS, limitMs: config.PULL_WAIT_SECONDS * 1000 },
      end.signal,
      (isOpen) => store.noteWaiting(pull, isOpen ? 'source_unavailable' : null),
    );
  }

  /** @throws SourceFault, PullLost, and what ends it from outside */
  async run(): Promise<{ gaps: Gap[]; warnings: PullWarning[] }> {
    await this.breaker.check();
    const dialect = await this.dialect();
    await this.together([this.lane(dialect, 'companies'), this.lane(dialect, 'exchange-rates')]);
    const { currencies } = this.position('exchange-rates') ?? { currencies: [] };
    const rails = RAILS.map((rail) => this.lane(dialect, rail, currencies));
    await this.together(rails);
    await this.lookOnceMore(rails);
    return { gaps: this.gaps(), warnings: warningsOf(this.positions()) };
  }

  /** What is missing as far as the run has come. */
  gaps(): Gap[] {
    return gapsOf(this.positions());
  }

  private async dialect(): Promise<Dialect> {
    const { dialect, detected } = this.pull;
    const known = detected ?? (dialect === 'auto' ? null : dialect);
    if (known !== null && detected !== null) return dialectOf(known);
    const { end, config, store } = this.tools;
    const found = known ?? (await findDialect(this.client, this.breaker, end.signal, config.PULL_ATTEMPTS));
    await store.noteDialect(this.pull, found);
    return dialectOf(found);
  }

  private lane(dialect: Dialect, resource: Pulled, currencies: readonly string[] | null = null): Lane {
    const { store, submitter, config, end, mayGoOn } = this.tools;
    const calls = new SourceCalls(this.client, this.breaker, config, end.signal);
    const tools: LaneTools = { calls, store, submitter, config, signal: end.signal, mayGoOn };
    const lane = new Lane(this.pull, resource, dialect[resource], tools, currencies);
    this.lanes.set(resource, lane);
    return lane;
  }

  /**
   * Where a source keeps the cursor, answers that fail three times in a row look like the end. If the other kind of transactions
   * reaches further, it is asked once more.
   */
  private async lookOnceMore(rails: Lane[]): Promise<void> {
    const furthest = rails
      .map(({ frontier }) => frontier)
      .toSorted()
      .at(-1);
    for (const lane of rails) {
      if (lane.isKept && lane.frontier < (furthest ?? '')) await lane.askAgain();
    }
  }

  /** The first one that fails ends the others at once. */
  private async together(lanes: Lane[]): Promise<void> {
    const { end } = this.tools;
    const failures: unknown[] = [];
    const runs = lanes.map((lane) =>
      lane.run().catch((error: unknown) => {
        if (error instanceof SourceFault) error.resource ??= lane.resource;
        failures.push(error);
        // Of a process that stops, the other requests under way come to their end: their answers may not come again.
        if (!(error instanceof Stopping)) end.abort(error);
      }),
    );
    await Promise.all(runs);
    if (failures.length > 0) throw failures[0];
  }

  private position(resource: Pulled): Position | undefined {
    return this.lanes.get(resource)?.position ?? this.pull.positions[resource];
  }

  private positions(): Partial<Record<Pulled, Position>> {
    const known = PULLED.map((resource) => [resource, this.position(resource)] as const);
    return Object.fromEntries(known.filter(([, position]) => position !== undefined));
  }
}
