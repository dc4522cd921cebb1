import {
  type DynamicModule,
  Inject,
  type MiddlewareConsumer,
  Module,
  type NestModule,
  type Provider,
} from '@nestjs/common';
import { lookup } from 'node:dns/promises';
import { CONFIG, type Config } from '../platform/config.js';
import { answersCallers, worksOnJobs } from '../platform/duties.js';
import { readJsonBody } from '../platform/json-body.js';
import { withTask } from '../platform/periodic-task.js';
import { DeliveryClaims } from './delivery-claims.js';
import { WebhookCleaner } from './webhook-cleaner.js';
import { WebhookDeliveriesController } from './webhook-deliveries.controller.js';
import { WebhookDeliveries } from './webhook-deliveries.js';
import { WebhookEndpoints } from './webhook-endpoints.js';
import { WebhookOutbox } from './webhook-outbox.js';
import { WebhookPost } from './webhook-post.js';
import { WebhookSender } from './webhook-sender.js';
import { WebhookTargets } from './webhook-targets.js';
import { WebhooksController } from './webhooks.controller.js';

const TARGETS: Provider = {
  provide: WebhookTargets,
  inject: [CONFIG],
  useFactory: (config: Config) =>
    new WebhookTargets(config.WEBHOOK_TARGETS, (hostname) => lookup(hostname, { all: true })),
};

const POST: Provider = {
  provide: WebhookPost,
  inject: [WebhookTargets, CONFIG],
  useFactory: (targets: WebhookTargets, config: Config) =>
    new WebhookPost(targets, config.WEBHOOK_TIMEOUT_SECONDS * 1000),
};

/** Whoever moves a job writes the outbox, in any role. */
const SHARED: Provider[] = [WebhookOutbox, TARGETS];

const API: Provider[] = [WebhookEndpoints, WebhookDeliveries];

const WORKER: Provider[] = [POST, DeliveryClaims, ...withTask(WebhookSender), ...withTask(WebhookCleaner)];

/** Tells the world outside of the ends of jobs. */
@Module({})
export class WebhooksModule implements NestModule {
  constructor(@Inject(CONFIG) private readonly config: Config) {}

  static forRole(role: Config['ROLE']): DynamicModule {
    return {
      module: WebhooksModule,
      controllers: answersCallers(role) ? [WebhooksController, WebhookDeliveriesController] : [],
      providers: [...SHARED, ...(answersCallers(role) ? API : []), ...(worksOnJobs(role) ? WORKER : [])],
    };
  }

  configure(consumer: MiddlewareConsumer): void {
    if (answersCallers(this.config.ROLE)) consumer.apply(readJsonBody).forRoutes(WebhooksController);
  }
}
