import { MikroORM } from '@mikro-orm/postgresql';
import { Logger as NestLogger } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import helmet from 'helmet';
import { Logger } from 'nestjs-pino';
import { mountAuthentication } from './access/authentication.js';
import { Routes } from './access/routes.js';
import { AppModule, migrationOptions, QUEUES } from './app.module.js';
import { documentApi } from './api-docs.js';
import { Definitions } from './definitions/definitions.js';
import { applyResources, declaredResources, refuseUnlessApplied } from './installation.js';
import { RateLimits } from './limits/rate-limits.js';
import { AuditLog } from './audit/audit-log.js';
import { auditQueueActions } from './audit/audit-queue-actions.js';
import { DASHBOARD_PATH, mountQueueDashboard } from './ops/queue-dashboard.js';
import { RequestMetrics } from './ops/request-metrics.js';
import { BoundedHttpAdapter } from './http/bounded-http-adapter.js';
import type { Config } from './settings/config.js';
import { Cursors } from './http/cursors.js';
import { answersCallers } from './settings/process-role.js';
import { type EmbeddedPostgres, startEmbeddedPostgres } from './database/embedded-postgres/embedded-postgres.js';
import { recordMove } from './database/following-client.js';
import { identifyRequest } from './logging/logging.js';
import { migrate, refuseUnlessMigrated } from './migrations/migrate.js';
import { chooseQueueBackend } from './queue/queue.js';
import { requestLimits } from './http/request-limits.js';

/** A running server. */
export interface Server {
  app: NestExpressApplication;
  url: string;
  /** Stops taking work, lets running work finish or gives it back, and closes all connections. */
  close: () => Promise<void>;
}

/** Options of a server besides its settings. */
export interface ServerOptions {
  /** A key with all scopes, known only to the process in which the server runs. */
  operatorKey?: string;
  /** Aborted when the process is asked to stop: a start that is still under way is given up, with its reason. */
  stopping?: AbortSignal;
}

/** Builds the application for its role, with the database of the settings or an embedded one. Does not listen yet. */
export async function createServer(config: Config, options: ServerOptions = {}): Promise<Omit<Server, 'url'>> {
  const declared = await declaredResources(config);
  const embedded = config.DATABASE_URL ? null : await startDatabase(config);
  const databaseUrl = config.DATABASE_URL ?? embedded?.url ?? '';
  try {
    options.stopping?.throwIfAborted();
    const queue = config.REDIS_URL ? null : { prefix: config.QUEUE_PREFIX };
    const toMigrate = migrationOptions(databaseUrl);
    if (config.MIGRATIONS === 'run') {
      await migrate(toMigrate, databaseUrl, queue, (client) => applyResources(client, declared));
    } else {
      await refuseUnlessMigrated(toMigrate, databaseUrl, (client) => refuseUnlessApplied(client, declared));
    }
    options.stopping?.throwIfAborted();
    const backend = chooseQueueBackend(config, databaseUrl);
    const module = AppModule.forRole(
      config,
      declared,
      { databaseUrl, queue: backend.options },
      options.operatorKey ?? null,
    );
    const adapter = new BoundedHttpAdapter(config);
    const nest = { bodyParser: false, bufferLogs: true };
    const app = await NestFactory.create<NestExpressApplication>(module, adapter, nest);
    app.useLogger(app.get(Logger));
    await app.get(MikroORM).connect();
    await app.get(Cursors).load();
    app.set('query parser', 'simple');
    app.disable('x-powered-by');
    app.use(identifyRequest);
    app.use(app.get(RequestMetrics).measure);
    app.set('trust proxy', config.TRUST_PROXY ?? false);
    protectBrowsers(app);
    app.use(requestLimits(config.MAX_URL_BYTES));
    // Before keys are checked, so that wrong ones are counted too.
    if (answersCallers(config.ROLE)) app.use(app.get(RateLimits).check);
    mountAuthentication(app);
    if (answersCallers(config.ROLE)) mountPages(app, config);
    const close = async () => {
      try {
        await app.close();
      } finally {
        try {
          await backend.close();
        } finally {
          await embedded?.stop();
        }
      }
    };
    return { app, close };
  } catch (error) {
    await embedded?.stop();
    throw error;
  }
}

/** Starts the embedded PostgreSQL. What it has to say before there is a logger, the logger says once it is there. */
function startDatabase(config: Config): Promise<EmbeddedPostgres> {
  NestLogger.attachBuffer();
  const logger = new NestLogger('PostgreSQL');
  return startEmbeddedPostgres({
    dataDir: config.DATA_DIR,
    log: (line) => logger.warn(line),
    onMove: recordMove,
  });
}

/** Builds the application and listens. */
export async function startServer(config: Config, options: ServerOptions = {}): Promise<Server> {
  const { app, close } = await createServer(config, options);
  const server = app.getHttpServer();
  try {
    options.stopping?.throwIfAborted();
    await app.listen(config.PORT, config.HOST);
  } catch (error) {
    await close();
    throw error;
  }
  const { port } = server.address() as { port: number };
  const host = config.HOST.includes(':') ? `[${config.HOST}]` : config.HOST;
  return { app, close, url: `http://${host}:${port}` };
}

/** Sets security headers for callers that are browsers. */
function protectBrowsers(app: NestExpressApplication): void {
  app.use(
    helmet({
      // Swagger UI and Bull Board have styles and images inside their pages; their scripts are files.
      contentSecurityPolicy: {
        directives: {
          'font-src': ["'self'"],
          'frame-ancestors': ["'none'"],
          'img-src': ["'self'", 'data:'],
          'style-src': ["'self'", "'unsafe-inline'"],
          'upgrade-insecure-requests': null,
        },
      },
      strictTransportSecurity: false,
      xFrameOptions: { action: 'deny' },
    }),
  );
}

function mountPages(app: NestExpressApplication, config: Config): void {
  if (config.QUEUE_ACTIONS === 'allow') app.use(DASHBOARD_PATH, auditQueueActions(app.get(AuditLog)));
  mountQueueDashboard(app, QUEUES, config.QUEUE_ACTIONS === 'allow');
  const definitions = app.get(Definitions);
  const names = definitions.all.map(({ name }) => name);
  const tags = [
    ...names,
    'claims',
    'claim payments',
    'providers',
    'changes',
    'sync jobs',
    'webhooks',
    'accounts',
    'audit',
    'operations',
  ];
  documentApi(app, tags, app.get(Routes).list(), definitions);
}
