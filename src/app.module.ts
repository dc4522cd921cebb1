import { MikroOrmModule } from '@mikro-orm/nestjs';
import type { Options } from '@mikro-orm/postgresql';
import { BullModule } from '@nestjs/bullmq';
import type { QueueOptions } from 'bullmq';
import { type DynamicModule, Module } from '@nestjs/common';
import { APP_FILTER, APP_GUARD, APP_PIPE } from '@nestjs/core';
import { LoggerModule } from 'nestjs-pino';
import { AccountsModule } from './accounts/accounts.module.js';
import { AccessGuard } from './access/access.guard.js';
import { AccessModule } from './access/access.module.js';
import { Registry } from 'prom-client';
import { AuditGuard } from './audit/audit.guard.js';
import { AuditModule } from './audit/audit.module.js';
import { ClaimPayment } from './settlement/claim-payment.entity.js';
import { SettlementModule } from './settlement/settlement.module.js';
import { PAYMENT_QUEUES } from './settlement/payment-messages.js';
import { PaymentNotification } from './settlement/payment-notification.entity.js';
import { CashflowModule } from './cashflow/cashflow.module.js';
import { LiquidityModule } from './cashflow/liquidity/liquidity.module.js';
import { PullModule } from './cashflow/pull/pull.module.js';
import { PULL_QUEUES } from './cashflow/pull/pull-queue.js';
import { ClaimsModule } from './claims/claims.module.js';
import { LimitsModule } from './limits/limits.module.js';
import { RouteLimits } from './limits/route-limits.guard.js';
import type { Definition } from './definitions/definition.js';
import { Definitions } from './definitions/definitions.js';
import { migrations } from './migrations/migrations.js';
import { OpsModule } from './ops/ops.module.js';
import { CONFIG, type Config, poolSize } from './settings/config.js';
import { Cursors } from './http/cursors.js';
import { ormOptions, type Schema } from './database/database.js';
import { DatabasePool } from './database/database-pool.js';
import { answersCallers } from './settings/process-role.js';
import { INSTANCE, newInstanceName } from './runtime/instance.js';
import { loggingOptions } from './logging/logging.js';
import { ProblemFilter } from './http/problem.filter.js';
import { QueryGuard } from './http/query-guard.js';
import { requestValidation } from './http/validation.js';
import { ownRows, resources } from './resources.js';
import { IdempotencyKey } from './sync/snapshots/idempotency-key.entity.js';
import { Snapshot } from './sync/snapshots/snapshot.entity.js';
import { MirrorState } from './sync/model/mirror-state.entity.js';
import { SyncJob } from './sync/model/sync-job.entity.js';
import { SYNC_QUEUES } from './sync/model/sync-queues.js';
import { Source } from './sync/sources/source.entity.js';
import { listController, rowController, snapshotController } from './sync/api/resource-controllers.js';
import { MirrorTables } from './sync/tables/mirror-table.js';
import { SyncModule } from './sync/sync.module.js';
import { WebhookDelivery } from './outbox/webhook-delivery.entity.js';
import { WebhookEndpoint } from './webhooks/webhook-endpoint.entity.js';
import { WebhooksModule } from './webhooks/webhooks.module.js';

/** The queues of the application, as BullMQ names them. */
export const QUEUES = [SYNC_QUEUES, PAYMENT_QUEUES, PULL_QUEUES].flatMap((queues) => Object.values<string>(queues));

const ENGINE_ENTITIES = [Source, SyncJob, MirrorState, Snapshot, IdempotencyKey];

const WEBHOOK_ENTITIES = [WebhookEndpoint, WebhookDelivery];

const PAYMENT_ENTITIES = [PaymentNotification, ClaimPayment];

const ENTITIES = [...ENGINE_ENTITIES, ...WEBHOOK_ENTITIES, ...PAYMENT_ENTITIES];

/** The schema with the entities of these tables. */
function schemaOf(tables: MirrorTables): Schema {
  return { entities: [...ENTITIES, ...tables.all.map(({ entity }) => entity)], migrations };
}

@Module({})
class ConfigModule {}

/** The application of a process. Which modules it has depends on the process's role. */
@Module({})
export class AppModule {
  /**
   * @param declared the resources whose tables and routes follow from their definitions
   * @param services the database, and how queues and workers are made
   * @param operatorKey a key that only this process knows, or null
   */
  static forRole(
    config: Config,
    declared: readonly Definition[],
    { databaseUrl, queue }: { databaseUrl: string; queue: QueueOptions },
    operatorKey: string | null,
  ): DynamicModule {
    const definitions = new Definitions([...resources.map(({ definition }) => definition), ...declared]);
    const tables = new MirrorTables(definitions);
    const instance = newInstanceName();
    const statementTimeoutSeconds = config.STATEMENT_TIMEOUT_SECONDS;
    const pool = new DatabasePool();
    const onPool = pool.watch.bind(pool);
    const use = { url: databaseUrl, poolSize: poolSize(config), name: instance, statementTimeoutSeconds, onPool };
    return {
      module: AppModule,
      imports: [
        provideEverywhere(config, instance, pool),
        LoggerModule.forRoot(loggingOptions(config)),
        MikroOrmModule.forRoot({ ...ormOptions(use, schemaOf(tables)), registerRequestContext: false }),
        BullModule.forRoot(queue),
        AccessModule.withOperatorKey(operatorKey),
        SyncModule.forRole(config.ROLE, definitions, tables),
        WebhooksModule.forRole(config.ROLE),
        SettlementModule.forRole(config.ROLE),
        AccountsModule.forRole(config.ROLE),
        PullModule.forRole(config.ROLE),
        LiquidityModule.forRole(config.ROLE),
        AuditModule.forRole(config.ROLE),
        LimitsModule.forRole(config.ROLE),
        OpsModule.withQueues(QUEUES),
        ...(answersCallers(config.ROLE)
          ? [
              ClaimsModule,
              CashflowModule,
              ...resources.map(({ module }) => module),
              resourcesModule(declared, definitions),
            ]
          : []),
      ],
      providers: [
        { provide: APP_FILTER, useClass: ProblemFilter },
        // The first guard, so that it can audit the refusals of the others.
        ...(answersCallers(config.ROLE) ? [{ provide: APP_GUARD, useClass: AuditGuard }] : []),
        // Before QueryGuard, so that unauthenticated callers do not learn which parameters exist.
        { provide: APP_GUARD, useClass: AccessGuard },
        ...(answersCallers(config.ROLE) ? [{ provide: APP_GUARD, useClass: RouteLimits }] : []),
        { provide: APP_GUARD, useClass: QueryGuard },
        { provide: APP_PIPE, inject: [CONFIG], useFactory: requestValidation },
      ],
    };
  }
}

@Module({})
class ResourcesModule {}

/** The routes that follow from definitions. Some resources have lists of their own, fewer also single rows. */
function resourcesModule(declared: readonly Definition[], definitions: Definitions): DynamicModule {
  const listed = declared.filter((definition) => !ownRows.includes(definition));
  const shown = definitions.all.filter((definition) => !ownRows.includes(definition));
  const controllers = [
    ...listed.map((definition) => listController(definition, definitions)),
    ...definitions.all.map((definition) => snapshotController(definition)),
    ...shown.map((definition) => rowController(definition, definitions)),
  ];
  return { module: ResourcesModule, controllers };
}

/** The ORM's settings for migrations: one connection, without a time limit for statements. */
export function migrationOptions(databaseUrl: string): Options {
  return ormOptions(
    { url: databaseUrl, poolSize: 1, name: 'counterpart migrations', statementTimeoutSeconds: null },
    { entities: ENTITIES, migrations },
  );
}

function provideEverywhere(config: Config, instance: string, pool: DatabasePool): DynamicModule {
  const providers = [
    { provide: CONFIG, useValue: config },
    { provide: INSTANCE, useValue: instance },
    { provide: Registry, useValue: new Registry() },
    { provide: DatabasePool, useValue: pool },
    Cursors,
  ];
  return {
    module: ConfigModule,
    global: true,
    providers,
    exports: [CONFIG, INSTANCE, Registry, DatabasePool, Cursors],
  };
}
