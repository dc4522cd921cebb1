import { MikroORM } from '@mikro-orm/postgresql';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import helmet from 'helmet';
import { Logger } from 'nestjs-pino';
import { AppModule, databaseOptions } from './app.module.js';
import { documentApi } from './api-docs.js';
import { mountQueueDashboard } from './ops/queue-dashboard.js';
import type { Config } from './platform/config.js';
import { startEmbeddedPostgres } from './platform/embedded-postgres/embedded-postgres.js';
import { nameRequest } from './platform/logging.js';
import { answerMalformedRequest } from './platform/malformed-request.js';
import { migrate } from './platform/migrate.js';
import { resources } from './resources.js';
import { SYNC_QUEUE } from './sync/jobs/job-queue.js';

/** A running server. */
export interface Server {
  app: NestExpressApplication;
  url: string;
  /** Stops taking work, lets what runs come to its end or gives it back, and frees everything. */
  close: () => Promise<void>;
}

/** Headers must be in by then. Bodies have the time that `UPLOAD_TIMEOUT_SECONDS` gives them. */
const HEADERS_TIMEOUT_MS = 20_000;

/** Builds the application for its role, with the database that the settings name or one of its own. Does not listen yet. */
export async function createServer(config: Config): Promise<Omit<Server, 'url'>> {
  const embedded = config.DATABASE_URL ? null : await startEmbeddedPostgres({ dataDir: config.DATA_DIR });
  const databaseUrl = config.DATABASE_URL ?? embedded?.url ?? '';
  try {
    const queue = config.REDIS_URL ? null : { prefix: config.QUEUE_PREFIX };
    await migrate(databaseOptions(config, databaseUrl), databaseUrl, queue);
    const module = AppModule.forRole(config, databaseUrl);
    const app = await NestFactory.create<NestExpressApplication>(module, { bodyParser: false, bufferLogs: true });
    app.useLogger(app.get(Logger));
    await app.get(MikroORM).connect();
    app.set('query parser', 'simple');
    app.disable('x-powered-by');
    app.use(nameRequest);
    if (config.ROLE !== 'worker') mountPages(app);
    const close = async () => {
      await app.close();
      await embedded?.stop();
    };
    return { app, close };
  } catch (error) {
    await embedded?.stop();
    throw error;
  }
}

/** Builds the application and listens. */
export async function startServer(config: Config): Promise<Server> {
  const { app, close } = await createServer(config);
  const server = app.getHttpServer();
  server.requestTimeout = config.UPLOAD_TIMEOUT_SECONDS * 1000;
  server.headersTimeout = HEADERS_TIMEOUT_MS;
  server.on('clientError', answerMalformedRequest);
  await app.listen(config.PORT, config.HOST).catch(async (error: unknown) => {
    await close();
    throw error;
  });
  const { port } = server.address() as { port: number };
  const host = config.HOST.includes(':') ? `[${config.HOST}]` : config.HOST;
  return { app, close, url: `http://${host}:${port}` };
}

function mountPages(app: NestExpressApplication): void {
  app.use(
    helmet({
      // Swagger UI and Bull Board bring styles and images inside their pages; scripts come from files alone.
      contentSecurityPolicy: {
        directives: {
          'img-src': ["'self'", 'data:'],
          'style-src': ["'self'", "'unsafe-inline'"],
          'upgrade-insecure-requests': null,
        },
      },
      strictTransportSecurity: false,
    }),
  );
  mountQueueDashboard(app, [SYNC_QUEUE]);
  documentApi(app, [...resources.map(({ definition }) => definition.name), 'sync jobs', 'operations']);
}
