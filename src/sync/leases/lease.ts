/** A worker's right to write for a job, until a worker takes the job again. */
export interface Lease {
  jobId: string;
  resource: string;
  /** Null for a job that reverts another one. */
  snapshotId: string | null;
  /** See {@link SyncJob.isAtOnce}. */
  isAtOnce: boolean;
  fence: number;
  /** The PostgreSQL process that runs the open transaction, to be cancelled on an interrupt; null outside of one. */
  backendPid: number | null;
  /** Whether to begin no further transaction. */
  isInterrupted: boolean;
  /** Whether its end is being written, which no interrupt may cancel. */
  isEnding: boolean;
  /** The last interrupt: it may cancel whatever the database runs for the lease until it has arrived. */
  interruption: Promise<unknown>;
}

/** Another worker has taken the job since, or it was cancelled: this one stops and writes nothing more. */
export class LeaseLost extends Error {
  constructor() {
    super('the job was taken over or cancelled');
  }
}

/** The process is about to stop and has to release its jobs. */
export class Interrupted extends Error {
  constructor() {
    super('the process is stopping');
  }
}
