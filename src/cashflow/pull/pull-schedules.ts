import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { acrossSources } from '../../database/source-isolation.js';
import { PullQueue } from './pull-queue.js';
import { UNFINISHED } from './pull-row.js';

/** Schedules that are looked at in one run. */
const MAX_DUE = 100;

interface DueSchedule {
  source_id: number;
  id: string;
  every_seconds: number;
}

/**
 * Makes a new pull of each schedule that is due. The schedule is the pull that was asked for with `every`. While a pull of the
 * source is unfinished, the next one waits; times that have passed meanwhile are made up for by one pull.
 */
@Injectable()
export class PullSchedules {
  constructor(
    private readonly em: EntityManager,
    private readonly queue: PullQueue,
  ) {}

  /** Any number of processes may do this at once. */
  startDue(): Promise<void> {
    return acrossSources(async () => {
      const due = await this.em.fork().execute<DueSchedule[]>(
        `select p.source_id, p.id, p.every_seconds from cashflow_pull p
          where p.next_at <= now()
            and not exists (select from cashflow_pull u where u.source_id = p.source_id and u.status in ${UNFINISHED})
          limit ?`,
        [MAX_DUE],
      );
      await Promise.all(due.map((schedule) => this.start(schedule)));
    });
  }

  private async start({ source_id: sourceId, id, every_seconds: everySeconds }: DueSchedule): Promise<void> {
    const [next] = await this.em.fork().execute<{ next_at: Date }[]>(
      `with due as (
         update cashflow_pull
            set next_at = next_at + make_interval(secs => every_seconds)
                  * (floor(extract(epoch from now() - next_at) / every_seconds) + 1)
          where source_id = ? and id = ? and next_at <= now() returning *),
       started as (
         insert into cashflow_pull (source_id, id, base_url, dialect, rates, every, schedule_id)
         select source_id, ?::uuid, base_url, dialect, rates, every, id from due on conflict do nothing)
       select next_at from due`,
      [sourceId, id, uuidv7()],
    );
    // Again, in case the queue was emptied.
    if (next) await this.queue.schedule(id, everySeconds * 1000, new Date(next.next_at));
  }
}
