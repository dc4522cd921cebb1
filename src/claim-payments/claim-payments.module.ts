import { BullModule } from '@nestjs/bullmq';
import { type DynamicModule, Module, type Provider } from '@nestjs/common';
import type { Config } from '../platform/config.js';
import { answersCallers, settlesPayments } from '../platform/duties.js';
import { withTask } from '../platform/periodic-task.js';
import { ClaimPaymentsController } from './claim-payments.controller.js';
import { ClaimPaymentsProcessor } from './claim-payments.processor.js';
import { PaymentOutbox } from './payment-outbox.js';
import { PaymentQueries } from './payment-queries.js';
import { PaymentQueue } from './payment-queue.js';
import { PAYMENT_QUEUES } from './payment-queues.js';
import { PaymentRelay } from './payment-relay.js';
import { PaymentRescuer } from './payment-rescuer.js';
import { PaymentRetries } from './payment-retries.js';
import { PaymentSettlement } from './payment-settlement.js';

/** Whatever a process is there for, it passes on what waits in the outbox. */
const SHARED: Provider[] = [PaymentQueue, ...withTask(PaymentRelay), PaymentOutbox];

const API: Provider[] = [PaymentQueries, PaymentRetries];

const CONSUMER: Provider[] = [PaymentSettlement, ClaimPaymentsProcessor, ...withTask(PaymentRescuer)];

/** The payments service: it is told of each claim through a queue, and has one effect for each. */
@Module({})
export class ClaimPaymentsModule {
  static forRole(role: Config['ROLE']): DynamicModule {
    return {
      module: ClaimPaymentsModule,
      // Whoever stores claims leaves word in the outbox.
      global: true,
      imports: [BullModule.registerQueue(...Object.values(PAYMENT_QUEUES).map((name) => ({ name })))],
      controllers: answersCallers(role) ? [ClaimPaymentsController] : [],
      providers: [...SHARED, ...(answersCallers(role) ? API : []), ...(settlesPayments(role) ? CONSUMER : [])],
      exports: [PaymentOutbox],
    };
  }
}
