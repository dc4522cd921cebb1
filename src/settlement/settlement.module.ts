import { BullModule } from '@nestjs/bullmq';
import { type DynamicModule, Module, type Provider } from '@nestjs/common';
import type { Config } from '../settings/config.js';
import { answersCallers, settlesPayments } from '../settings/process-role.js';
import { withTask } from '../runtime/periodic-task.js';
import { ClaimPaymentsController } from './claim-payments.controller.js';
import { SettlementProcessor } from './settlement.processor.js';
import { PaymentOutbox } from './payment-outbox.js';
import { SettlementQueries } from './settlement-queries.js';
import { PaymentQueue } from './payment-queue.js';
import { PAYMENT_QUEUES } from './payment-messages.js';
import { PaymentRelay } from './payment-relay.js';
import { PaymentRescuer } from './payment-rescuer.js';
import { PaymentRetries } from './payment-retries.js';
import { PaymentSettlement } from './payment-settlement.js';

/** Every process relays notifications from the outbox, whatever its role. */
const SHARED: Provider[] = [PaymentQueue, ...withTask(PaymentRelay), PaymentOutbox];

const API: Provider[] = [SettlementQueries, PaymentRetries];

const CONSUMER: Provider[] = [PaymentSettlement, SettlementProcessor, ...withTask(PaymentRescuer)];

/** The payments service: receives each claim through a queue and settles it exactly once. */
@Module({})
export class SettlementModule {
  static forRole(role: Config['ROLE']): DynamicModule {
    return {
      module: SettlementModule,
      // Global, so that the module that stores claims can inject the outbox.
      global: true,
      imports: [BullModule.registerQueue(...Object.values(PAYMENT_QUEUES).map((name) => ({ name })))],
      controllers: answersCallers(role) ? [ClaimPaymentsController] : [],
      providers: [...SHARED, ...(answersCallers(role) ? API : []), ...(settlesPayments(role) ? CONSUMER : [])],
      exports: [PaymentOutbox],
    };
  }
}
