import { MikroOrmModule } from '@mikro-orm/nestjs';
import type { Options } from '@mikro-orm/postgresql';
import { BullModule } from '@nestjs/bullmq';
import { type DynamicModule, Module } from '@nestjs/common';
import { APP_FILTER, APP_GUARD, APP_PIPE } from '@nestjs/core';
import { LoggerModule } from 'nestjs-pino';
import { migrations } from './migrations/migrations.js';
import { OpsModule } from './ops/ops.module.js';
import { CONFIG, type Config } from './platform/config.js';
import { ormOptions } from './platform/database.js';
import { loggingOptions } from './platform/logging.js';
import { ProblemFilter } from './platform/problem.filter.js';
import { QueryGuard } from './platform/query-guard.js';
import { chooseQueueBackend } from './platform/queue.js';
import { queryValidation } from './platform/validation.js';
import { resources } from './resources.js';
import { IdempotencyKey } from './sync/intake/idempotency-key.entity.js';
import { Snapshot } from './sync/intake/snapshot.entity.js';
import { MirrorState } from './sync/jobs/mirror-state.entity.js';
import { SyncJob } from './sync/jobs/sync-job.entity.js';
import { Source } from './sync/source.entity.js';
import { SyncModule } from './sync/sync.module.js';

const definitions = resources.map(({ definition }) => definition);

const ENGINE_ENTITIES = [Source, SyncJob, MirrorState, Snapshot, IdempotencyKey];

@Module({})
class ConfigModule {}

/** The whole of a process: what it contains follows from its role. */
@Module({})
export class AppModule {
  static forRole(config: Config, databaseUrl: string): DynamicModule {
    return {
      module: AppModule,
      imports: [
        { module: ConfigModule, global: true, providers: [provideConfig(config)], exports: [CONFIG] },
        LoggerModule.forRoot(loggingOptions(config)),
        MikroOrmModule.forRoot({ ...databaseOptions(config, databaseUrl), registerRequestContext: false }),
        BullModule.forRoot(chooseQueueBackend(config, databaseUrl)),
        SyncModule.forRole(config.ROLE, definitions),
        OpsModule,
        ...(config.ROLE === 'worker' ? [] : resources.map(({ module }) => module)),
      ],
      providers: [
        { provide: APP_FILTER, useClass: ProblemFilter },
        { provide: APP_GUARD, useClass: QueryGuard },
        { provide: APP_PIPE, useFactory: queryValidation },
      ],
    };
  }
}

/** The ORM's settings with all entities and migrations. */
export function databaseOptions(config: Config, databaseUrl: string): Options {
  const entities = [...ENGINE_ENTITIES, ...definitions.map(({ entity }) => entity)];
  return ormOptions(databaseUrl, config.DATABASE_POOL_SIZE, { entities, migrations });
}

function provideConfig(config: Config) {
  return { provide: CONFIG, useValue: config };
}
