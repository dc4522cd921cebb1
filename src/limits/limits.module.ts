import { type DynamicModule, Module } from '@nestjs/common';
import type { Config } from '../settings/config.js';
import { answersCallers } from '../settings/process-role.js';
import { withTask } from '../runtime/periodic-task.js';
import { LimitCleaner } from './limit-cleaner.js';
import { RateLimits } from './rate-limits.js';

/** Rate limits, in processes that answer callers. */
@Module({})
export class LimitsModule {
  static forRole(role: Config['ROLE']): DynamicModule {
    return answersCallers(role)
      ? { module: LimitsModule, providers: [RateLimits, ...withTask(LimitCleaner)], exports: [RateLimits] }
      : { module: LimitsModule };
  }
}
