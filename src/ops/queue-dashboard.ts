import { createBullBoard } from '@bull-board/api';
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import { ExpressAdapter } from '@bull-board/express';
import { getQueueToken } from '@nestjs/bullmq';
import type { INestApplication } from '@nestjs/common';
import type { Queue } from 'bullmq';
import type { Express, NextFunction, Request, Response } from 'express';
import { setTimeout as delay } from 'node:timers/promises';
import { sendProblem } from '../http/problem.filter.js';
import { Refusal } from '../http/refusal.js';

/** The path of the dashboard. */
export const DASHBOARD_PATH = '/admin/queues';

/** Without a limit, Bull Board would wait for as long as a queue is unavailable. */
const ANSWER_TIMEOUT_MS = 2_000;

/**
 * Shows the given queues in Bull Board. Their jobs only carry ids, so they hold no personal data.
 * @param mayAct whether jobs may be retried, removed and so on, rather than only be viewed
 */
export function mountQueueDashboard(app: INestApplication, queueNames: string[], mayAct: boolean): void {
  const serverAdapter = new ExpressAdapter().setBasePath(DASHBOARD_PATH);
  const queues = queueNames.map((name) => app.get<Queue>(getQueueToken(name)));
  createBullBoard({
    queues: queues.map((queue) => new BullMQAdapter(queue, { readOnlyMode: !mayAct })),
    serverAdapter,
    options: { uiConfig: { boardTitle: 'counterpart', hideRedisDetails: true } },
  });
  // Bull Board's own error handler shows the driver's message.
  serverAdapter.setErrorHandler(() => ({ status: 500, body: { error: 'Something went wrong on our side.' } }));
  const pages = serverAdapter.getRouter() as Express;
  pages.disable('x-powered-by');
  // Hiding the buttons does not prevent the requests.
  if (!mayAct) app.use(DASHBOARD_PATH, refuseActions);
  app.use(`${DASHBOARD_PATH}/api`, async (_request: Request, response: Response, next: NextFunction) => {
    if (await answerInTime(queues)) next();
    else sendProblem(response, Refusal.unavailable());
  });
  app.use(DASHBOARD_PATH, pages);
}

function refuseActions({ method }: Request, response: Response, next: NextFunction): void {
  if (method === 'GET' || method === 'HEAD') next();
  else sendProblem(response, new Refusal(403, 'queue_actions_denied', 'The queues can only be viewed.'));
}

/** Whether all queues answer in time. Asked for one look-up each; a count would read every job. Never rejects. */
async function answerInTime(queues: Queue[]): Promise<boolean> {
  const answers = Promise.all(queues.map((queue) => queue.isPaused())).then(
    () => true,
    () => false,
  );
  return Promise.race([answers, delay(ANSWER_TIMEOUT_MS, false, { ref: false })]);
}
