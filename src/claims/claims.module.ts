import { Module } from '@nestjs/common';
import { ClaimIntake } from './claim-intake.js';
import { ClaimQueries } from './claim-queries.js';
import { ClaimStore } from './claim-store.js';
import { ClaimsController } from './claims.controller.js';
import { ProviderTotals } from './provider-totals.js';
import { ProvidersController } from './providers.controller.js';

/** Claims and the totals of their providers. Their payment is in `src/settlement`. */
@Module({
  controllers: [ClaimsController, ProvidersController],
  providers: [ClaimIntake, ClaimStore, ClaimQueries, ProviderTotals],
})
export class ClaimsModule {}
