import {
  type DynamicModule,
  Inject,
  type MiddlewareConsumer,
  Module,
  type NestModule,
  type Provider,
} from '@nestjs/common';
import { CONFIG, type Config } from '../settings/config.js';
import { answersCallers, worksOnJobs } from '../settings/process-role.js';
import { readJsonBody } from '../http/json-body.js';
import { NameResolver } from '../http/name-resolver.js';
import { withTask } from '../runtime/periodic-task.js';
import { DeliveryLeases } from './delivery-leases.js';
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
  useFactory: (config: Config) => {
    const names = new NameResolver();
    return new WebhookTargets(config.WEBHOOK_TARGETS, (hostname) => names.resolve(hostname));
  },
};

const POST: Provider = {
  provide: WebhookPost,
  inject: [WebhookTargets, CONFIG],
  useFactory: (targets: WebhookTargets, config: Config) =>
    new WebhookPost(targets, config.WEBHOOK_TIMEOUT_SECONDS * 1000),
};

/** In every role, as each may end jobs, which writes the outbox. */
const SHARED: Provider[] = [WebhookOutbox, TARGETS];

const API: Provider[] = [WebhookEndpoints, WebhookDeliveries];

const WORKER: Provider[] = [POST, DeliveryLeases, ...withTask(WebhookSender), ...withTask(WebhookCleaner)];

/** Notifies receivers outside when jobs end. */
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
