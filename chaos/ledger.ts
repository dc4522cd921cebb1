import type { Decision, ResourceName, SnapshotOptions } from '../test/contract/mirror-model.js';
import type { SnapshotPlan } from './snapshot-plan.js';

/** The jobs of one source and resource: they take effect in the order of their acceptance. */
export interface Line {
  source: string;
  resource: ResourceName;
}

/** An accepted snapshot: the server has promised to process it. */
export interface Accepted {
  jobId: string;
  line: Line;
  plan: SnapshotPlan;
  options: SnapshotOptions;
  /** When it was first sent and when the answer came, in milliseconds. */
  sentAt: number;
  answeredAt: number;
}

/** What was sent, accepted and decided: all that the mirror may depend on. */
export class Ledger {
  readonly accepted = new Map<string, Accepted>();
  /** Requests that were sent again, as no answer had come. */
  repeated = 0;
  /** Uploads that were broken off on purpose. */
  aborted = 0;
  private readonly decisions = new Map<string, Set<Decision>>();
  private readonly unansweredReplays = new Map<string, number>();

  accept(promise: Accepted): void {
    this.accepted.set(promise.jobId, promise);
  }

  /** Recorded before it is sent: it may take effect though its answer is lost. */
  tryToDecide(jobId: string, decision: Decision): void {
    this.decisions.set(jobId, (this.decisions.get(jobId) ?? new Set()).add(decision));
  }

  mayHave(jobId: string, decision: Decision): boolean {
    return this.decisions.get(jobId)?.has(decision) ?? false;
  }

  /** A replay has no key under which it could be repeated: if its answer is lost, a job may exist or not. */
  loseReplay(originalId: string): void {
    this.unansweredReplays.set(originalId, (this.unansweredReplays.get(originalId) ?? 0) + 1);
  }

  /** Assigns a job to a replay whose answer was lost. @returns whether there was one */
  adoptReplay(jobId: string, originalId: string): boolean {
    const original = this.accepted.get(originalId);
    const unanswered = this.unansweredReplays.get(originalId) ?? 0;
    if (!original || unanswered === 0) return false;
    this.unansweredReplays.set(originalId, unanswered - 1);
    this.accept({ ...original, jobId, sentAt: 0, answeredAt: Number.POSITIVE_INFINITY });
    return true;
  }
}
