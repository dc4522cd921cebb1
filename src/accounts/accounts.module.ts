import {
  type DynamicModule,
  Inject,
  type MiddlewareConsumer,
  Module,
  type NestModule,
  RequestMethod,
} from '@nestjs/common';
import { CONFIG, type Config } from '../settings/config.js';
import { answersCallers, worksOnJobs } from '../settings/process-role.js';
import { readJsonBody } from '../http/json-body.js';
import { withTask } from '../runtime/periodic-task.js';
import { Accounts } from './accounts.js';
import { AccountsController } from './accounts.controller.js';
import { Ledger } from './ledger.js';
import { RequestCleaner } from './request-cleaner.js';
import { TransfersController } from './transfers.controller.js';

/** Accounts in whole cents, on a double-entry ledger. */
@Module({})
export class AccountsModule implements NestModule {
  constructor(@Inject(CONFIG) private readonly config: Config) {}

  static forRole(role: Config['ROLE']): DynamicModule {
    return {
      module: AccountsModule,
      controllers: answersCallers(role) ? [AccountsController, TransfersController] : [],
      providers: [
        ...(answersCallers(role) ? [Accounts, Ledger] : []),
        ...(worksOnJobs(role) ? withTask(RequestCleaner) : []),
      ],
    };
  }

  configure(consumer: MiddlewareConsumer): void {
    if (!answersCallers(this.config.ROLE)) return;
    consumer
      .apply(readJsonBody)
      .forRoutes({ path: 'api/accounts/create', method: RequestMethod.POST }, TransfersController);
  }
}
