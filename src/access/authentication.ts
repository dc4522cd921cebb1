import { Logger } from '@nestjs/common';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { NextFunction, Request, Response } from 'express';
import { callerAddress } from '../http/caller-address.js';
import { Refusal } from '../http/refusal.js';
import { Authenticator } from './authenticator.js';
import { isPage, PAGES } from './pages.js';
import { Routes } from './routes.js';

/**
 * Mounts the middleware that identifies callers. It must be mounted before anything else that answers, so that a caller
 * without a key learns nothing: neither which paths exist nor what is wrong with a body. Scopes are checked here for
 * pages, and by the guard for routes.
 */
export function mountAuthentication(app: NestExpressApplication): void {
  const authenticator = app.get(Authenticator);
  const logger = new Logger('Authentication');
  const open = publicPaths(app.get(Routes));
  const segments = new Set(
    app
      .get(Routes)
      .list()
      .map(({ path }) => firstSegment(path)),
  );

  app.use(async (request: Request, response: Response, next: NextFunction) => {
    response.set('Cache-Control', isAsset(request.path) ? 'private, no-cache' : 'no-store');
    try {
      if (!open.has(request.path)) {
        await authenticator.identify(request, request.path);
        disconnectOnceRevoked(authenticator, request, response);
      }
    } catch (error) {
      // Requests that get past this are logged by the request logger.
      if (error instanceof Refusal) logger.log(logFields(request, error, segments), 'not let in');
      throw error;
    }
    next();
  });
  // Express matches the paths, not a comparison of our own, so exactly the pages that are served are protected.
  for (const [path, want] of Object.entries(PAGES)) {
    app.use(path, (request: Request, _response: Response, next: NextFunction) => {
      authenticator.admit(request, request.baseUrl + request.path, want);
      next();
    });
  }
}

/** For the log: the address, and which part of the API. The rest of a path may hold anything, so it is not logged. */
function logFields(request: Request, { code }: Refusal, segments: Set<string>): object {
  const segment = firstSegment(request.path);
  const path = segments.has(segment) || isPage(request.path) ? segment : 'none';
  return { method: request.method, path, address: callerAddress(request), reqId: request.id, reason: code };
}

/** `/patients` of `/patients/11`. */
function firstSegment(path: string): string {
  return `/${path.split('/')[1] ?? ''}`;
}

/** How often the key of a running request is checked again. */
const RECHECK_MS = 5_000;

/** Uploads, exports and event streams run for long: the connection is closed once their key is no longer valid. */
function disconnectOnceRevoked(authenticator: Authenticator, request: Request, response: Response): void {
  const recheck = setInterval(() => {
    authenticator.identify(request, request.path).catch((error: unknown) => {
      // While the database is away this is not known, so the request goes on.
      if (error instanceof Refusal) request.destroy();
    });
  }, RECHECK_MS).unref();
  response.once('close', () => clearInterval(recheck));
}

/** Paths that need no key. They match exactly: any other spelling of them requires a key. */
function publicPaths(routes: Routes): Set<string> {
  return new Set(
    routes
      .list()
      .filter(({ method, want }) => method === 'GET' && want === 'public')
      .map(({ path }) => path),
  );
}

/**
 * A static file of a page, the same for everybody: browsers may cache and revalidate it. Other answers hold personal
 * data.
 */
function isAsset(path: string): boolean {
  return isPage(path) && /\.(css|js|png|svg|ico|webmanifest|woff2?)$/.test(path);
}
