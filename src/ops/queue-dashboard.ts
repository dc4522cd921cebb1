import { createBullBoard } from '@bull-board/api';
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import { ExpressAdapter } from '@bull-board/express';
import { getQueueToken } from '@nestjs/bullmq';
import type { INestApplication } from '@nestjs/common';
import type { Queue } from 'bullmq';

/** Where the dashboard lives. */
export const DASHBOARD_PATH = '/admin/queues';

/** Shows the given queues in Bull Board. Their jobs carry ids, so that there is nothing in them to hide. */
export function mountQueueDashboard(app: INestApplication, queueNames: string[]): void {
  const serverAdapter = new ExpressAdapter().setBasePath(DASHBOARD_PATH);
  const queues = queueNames.map((name) => new BullMQAdapter(app.get<Queue>(getQueueToken(name))));
  createBullBoard({
    queues,
    serverAdapter,
    options: { uiConfig: { boardTitle: 'counterpart', hideRedisDetails: true } },
  });
  app.use(DASHBOARD_PATH, serverAdapter.getRouter());
}
