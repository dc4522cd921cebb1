import { createBullBoard } from '@bull-board/api';
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import { ExpressAdapter } from '@bull-board/express';
import { getQueueToken } from '@nestjs/bullmq';
import type { INestApplication } from '@nestjs/common';
import type { Queue } from 'bullmq';
import type { Express, NextFunction, Request, Response } from 'express';
import { setTimeout as delay } from 'node:timers/promises';
import { sendProblem } from '../platform/problem.filter.js';
import { Refusal } from '../platform/refusal.js';

/** Where the dashboard lives. */
export const DASHBOARD_PATH = '/admin/queues';

/** Bull Board itself would wait for a queue that is away for as long as it takes. */
const PATIENCE_MS = 2_000;

/**
 * Shows the given queues in Bull Board. Their jobs carry ids, so that there is nothing in them to hide.
 * @param mayAct whether jobs may be retried, removed and so on, rather than looked at alone
 */
export function mountQueueDashboard(app: INestApplication, queueNames: string[], mayAct: boolean): void {
  const serverAdapter = new ExpressAdapter().setBasePath(DASHBOARD_PATH);
  const queues = queueNames.map((name) => app.get<Queue>(getQueueToken(name)));
  createBullBoard({
    queues: queues.map((queue) => new BullMQAdapter(queue, { readOnlyMode: !mayAct })),
    serverAdapter,
    options: { uiConfig: { boardTitle: 'counterpart', hideRedisDetails: true } },
  });
  // Its own one shows the driver's message.
  serverAdapter.setErrorHandler(() => ({ status: 500, body: { error: 'Something went wrong on our side.' } }));
  const pages = serverAdapter.getRouter() as Express;
  pages.disable('x-powered-by');
  // Buttons that are not shown protect nothing.
  if (!mayAct) app.use(DASHBOARD_PATH, refuseActions);
  app.use(`${DASHBOARD_PATH}/api`, async (_request: Request, response: Response, next: NextFunction) => {
    if (await areThere(queues)) next();
    else sendProblem(response, Refusal.unavailable());
  });
  app.use(DASHBOARD_PATH, pages);
}

function refuseActions({ method }: Request, response: Response, next: NextFunction): void {
  if (method === 'GET' || method === 'HEAD') next();
  else sendProblem(response, new Refusal(403, 'queue_actions_denied', 'The queues may be looked at only.'));
}

/** Whether all queues answer in time. Never rejects. */
async function areThere(queues: Queue[]): Promise<boolean> {
  const answers = Promise.all(queues.map((queue) => queue.getWaitingCount())).then(
    () => true,
    () => false,
  );
  return Promise.race([answers, delay(PATIENCE_MS, false, { ref: false })]);
}
