import { Module } from '@nestjs/common';
import { PaymentQueries } from './payment-queries.js';
import { PaymentsController } from './payments.controller.js';

@Module({ controllers: [PaymentsController], providers: [PaymentQueries] })
export class PaymentsModule {}
