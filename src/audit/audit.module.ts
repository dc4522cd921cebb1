import { type DynamicModule, Module } from '@nestjs/common';
import { APP_INTERCEPTOR } from '@nestjs/core';
import type { Config } from '../settings/config.js';
import { answersCallers, worksOnJobs } from '../settings/process-role.js';
import { withTask } from '../runtime/periodic-task.js';
import { AuditCleaner } from './audit-cleaner.js';
import { AuditLog } from './audit-log.js';
import { AuditQueries } from './audit-queries.js';
import { AuditController } from './audit.controller.js';
import { AuditInterceptor } from './audit.interceptor.js';

const API = [AuditLog, AuditQueries, { provide: APP_INTERCEPTOR, useClass: AuditInterceptor }];

/** The audit log: who did what, and who read which data. Append-only. */
@Module({})
export class AuditModule {
  static forRole(role: Config['ROLE']): DynamicModule {
    const isApi = answersCallers(role);
    return {
      module: AuditModule,
      controllers: isApi ? [AuditController] : [],
      providers: [...(isApi ? API : []), ...(worksOnJobs(role) ? withTask(AuditCleaner) : [])],
      exports: isApi ? [AuditLog] : [],
    };
  }
}
