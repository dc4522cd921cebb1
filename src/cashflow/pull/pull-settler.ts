import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable, Logger } from '@nestjs/common';
import { acrossSources, withinSource } from '../../database/source-isolation.js';
import { safeError } from '../../logging/safe-error.js';
import { AnswerBases } from '../answer-basis.js';
import { judgeBalances } from '../liquidity/judge-balances.js';
import { readRates } from '../rates.js';
import type { PullError, PullStatus, PullWarning, Rates } from './pull-row.js';

/** Pulls that are looked at in one run. */
const MAX_PULLS = 200;

/** A pull that has received everything, and how many of its jobs are how far. */
interface Outcome {
  source_id: number;
  id: string;
  status: PullStatus;
  rates: Rates;
  moving: number;
  held: number;
  failed: number;
  failed_job: string | null;
}

/** Ends pulls whose jobs have ended: well, or with the first job that did not. */
@Injectable()
export class PullSettler {
  private readonly logger = new Logger(PullSettler.name);

  constructor(
    private readonly em: EntityManager,
    private readonly bases: AnswerBases,
  ) {}

  /** Any number of processes may do this at once. */
  settle(): Promise<void> {
    return acrossSources(async () => {
      const outcomes = await this.em.fork().execute<Outcome[]>(
        `select p.source_id, p.id, p.status, p.rates,
                count(*) filter (where j.status in ('queued', 'staging', 'reconciling'))::int as moving,
                count(*) filter (where j.status = 'awaiting_approval')::int as held,
                count(*) filter (where j.status in ('failed', 'cancelled', 'rejected'))::int as failed,
                min(j.id::text) filter (where j.status in ('failed', 'cancelled', 'rejected')) as failed_job
           from cashflow_pull p
           left join cashflow_pull_job of_pull on of_pull.source_id = p.source_id and of_pull.pull_id = p.id
           left join sync_job j on j.id = of_pull.job_id and j.source_id = p.source_id
          where p.status in ('applying', 'awaiting_approval')
          group by p.source_id, p.id limit ?`,
        [MAX_PULLS],
      );
      await Promise.all(
        outcomes.map((outcome) =>
          this.conclude(outcome).catch((error: unknown) =>
            this.logger.warn({ pull: outcome.id, err: safeError(error) }, 'a pull could not be ended'),
          ),
        ),
      );
    });
  }

  private async conclude(outcome: Outcome): Promise<void> {
    const next = nextStatus(outcome);
    if (next === outcome.status) return;
    const isOver = next === 'completed' || next === 'failed';
    const error: PullError | null =
      next === 'failed'
        ? {
            code: 'job_failed',
            detail: 'A job of the pull did not end well.',
            resource: null,
            jobId: outcome.failed_job,
          }
        : null;
    const warnings = next === 'completed' ? await this.warningsOf(outcome) : [];
    const { source_id: sourceId, id, status } = outcome;
    const values = [next, error === null ? null : JSON.stringify(error), JSON.stringify(warnings)];
    await withinSource(sourceId, () =>
      this.em.fork().transactional(async (em) => {
        const changed = await em.execute<object[]>(
          `update cashflow_pull
              set status = ?, error = ?::jsonb, warnings = warnings || ?::jsonb, finished_at = ${isOver ? 'now()' : 'null'}
            where source_id = ? and id = ? and status = ? returning 1`,
          [...values, sourceId, id, status],
        );
        // What it says about the rates counts from now on.
        if (next === 'completed' && changed.length > 0)
          await judgeBalances(em, sourceId, { companies: null, isByTransactions: false });
      }),
    );
  }

  /** What shows only once all is mirrored. */
  private async warningsOf({ source_id: sourceId, rates }: Outcome): Promise<PullWarning[]> {
    const { isSuspect } = readRates(await this.bases.sentRates(sourceId), rates);
    const detail =
      'The rates contradict each other, or what they were said to mean: answers in one currency may be wrong.';
    return isSuspect ? [{ code: 'rates_inconsistent', detail, resource: 'exchange-rates' }] : [];
  }
}

function nextStatus({ moving, held, failed }: Outcome): PullStatus {
  if (moving > 0) return 'applying';
  if (failed > 0) return 'failed';
  return held > 0 ? 'awaiting_approval' : 'completed';
}
