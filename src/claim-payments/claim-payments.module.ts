import { BullModule } from '@nestjs/bullmq';
import { type DynamicModule, Module, type Provider } from '@nestjs/common';
import type { Config } from '../platform/config.js';
import { PaymentOutbox } from './payment-outbox.js';
import { PaymentQueue } from './payment-queue.js';
import { PAYMENT_QUEUES } from './payment-queues.js';
import { PaymentRelay } from './payment-relay.js';

/** Whatever a process is there for, it passes on what waits in the outbox. */
const SHARED: Provider[] = [PaymentQueue, PaymentRelay, PaymentOutbox];

/** The payments service: it is told of each claim through a queue, and has one effect for each. */
@Module({})
export class ClaimPaymentsModule {
  static forRole(_role: Config['ROLE']): DynamicModule {
    return {
      module: ClaimPaymentsModule,
      // Whoever stores claims leaves word in the outbox.
      global: true,
      imports: [BullModule.registerQueue(...Object.values(PAYMENT_QUEUES).map((name) => ({ name })))],
      providers: SHARED,
      exports: [PaymentOutbox],
    };
  }
}
