import type { Pool } from 'pg';

/** The connections of this process's pool, and the callers that wait for one. */
interface PoolState {
  busy: number;
  idle: number;
  waiting: number;
}

/** Knows the ORM's pool of connections, which the ORM does not expose, for the metrics. */
export class DatabasePool {
  private pool: Pool | undefined;

  watch(pool: Pool): void {
    this.pool = pool;
  }

  state(): PoolState {
    const { totalCount = 0, idleCount = 0, waitingCount = 0 } = this.pool ?? {};
    return { busy: totalCount - idleCount, idle: idleCount, waiting: waitingCount };
  }
}
