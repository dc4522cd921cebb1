import { type DynamicModule, Inject, type MiddlewareConsumer, Module, type NestModule } from '@nestjs/common';
import { readJsonBody } from '../../http/json-body.js';
import { withTask } from '../../runtime/periodic-task.js';
import { CONFIG, type Config } from '../../settings/config.js';
import { answersCallers, worksOnJobs } from '../../settings/process-role.js';
import { AnswerBases } from '../answer-basis.js';
import { CompanyBalance } from '../company-balance.js';
import { CompanyList } from '../company-list.js';
import { CompanyForecast } from '../forecast/company-forecast.js';
import { LiquidityController } from './liquidity.controller.js';
import { LiquidityForecasts } from './liquidity-forecasts.js';
import { LiquidityRules } from './liquidity-rules.js';

/** Watches balances. */
@Module({})
export class LiquidityModule implements NestModule {
  constructor(@Inject(CONFIG) private readonly config: Config) {}

  static forRole(role: Config['ROLE']): DynamicModule {
    return {
      module: LiquidityModule,
      controllers: answersCallers(role) ? [LiquidityController] : [],
      providers: [
        AnswerBases,
        ...(answersCallers(role) ? [CompanyList, LiquidityRules] : []),
        ...(worksOnJobs(role) ? [CompanyBalance, CompanyForecast, ...withTask(LiquidityForecasts)] : []),
      ],
    };
  }

  configure(consumer: MiddlewareConsumer): void {
    if (answersCallers(this.config.ROLE)) consumer.apply(readJsonBody).forRoutes(LiquidityController);
  }
}
