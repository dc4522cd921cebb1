import { Logger } from '@nestjs/common';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { NextFunction, Request, Response } from 'express';
import { callerAddress } from '../platform/caller-address.js';
import { Refusal } from '../platform/refusal.js';
import { Authenticator } from './authenticator.js';
import { isPage, PAGES } from './pages.js';
import { Routes } from './routes.js';

/**
 * Stands before everything else, so that a stranger learns nothing: neither which paths there are nor what is wrong with
 * a body. Whoever is let through here is known; what they may do is asked by each page here, and by the guard for each
 * route. To be called before anything else is mounted that answers.
 */
export function mountAuthentication(app: NestExpressApplication): void {
  const authenticator = app.get(Authenticator);
  const logger = new Logger('Gate');
  const open = publicPaths(app.get(Routes));
  const rooms = new Set(
    app
      .get(Routes)
      .list()
      .map(({ path }) => roomOf(path)),
  );

  app.use(async (request: Request, response: Response, next: NextFunction) => {
    response.set('Cache-Control', isAsset(request.path) ? 'private, no-cache' : 'no-store');
    try {
      if (!open.has(request.path)) {
        await authenticator.identify(request, request.path);
        hangUpOnceRevoked(authenticator, request, response);
      }
    } catch (error) {
      // The requests that come further are logged there.
      if (error instanceof Refusal) logger.log(noteOf(request, error, rooms), 'not let in');
      throw error;
    }
    next();
  });
  // By the mounting of Express rather than by our own comparison: what is guarded is what is served.
  for (const [path, want] of Object.entries(PAGES)) {
    app.use(path, (request: Request, _response: Response, next: NextFunction) => {
      authenticator.admit(request, request.baseUrl + request.path, want);
      next();
    });
  }
}

/** For the log: from where, and which part of the API. The rest of a path is whatever a stranger wrote. */
function noteOf(request: Request, { code }: Refusal, rooms: Set<string>): object {
  const room = roomOf(request.path);
  const path = rooms.has(room) || isPage(request.path) ? room : 'none';
  return { method: request.method, path, address: callerAddress(request), reqId: request.id, reason: code };
}

/** The first part of a path. */
function roomOf(path: string): string {
  return `/${path.split('/')[1] ?? ''}`;
}

/** How often it is asked whether the key of a request that goes on is still a valid one. */
const RECHECK_MS = 5_000;

/** Uploads, exports and streams of events go on for long: they end with their key. */
function hangUpOnceRevoked(authenticator: Authenticator, request: Request, response: Response): void {
  const recheck = setInterval(() => {
    authenticator.identify(request, request.path).catch((error: unknown) => {
      // While the database is away nobody knows.
      if (error instanceof Refusal) request.destroy();
    });
  }, RECHECK_MS).unref();
  response.once('close', () => clearInterval(recheck));
}

/** Paths that are open to all, to the letter: any other spelling of them wants a key. */
function publicPaths(routes: Routes): Set<string> {
  return new Set(
    routes
      .list()
      .filter(({ method, want }) => method === 'GET' && want === 'public')
      .map(({ path }) => path),
  );
}

/** A file of a page's own, the same for all. It may be kept, and is asked after each time; answers hold personal data. */
function isAsset(path: string): boolean {
  return isPage(path) && /\.(css|js|png|svg|ico|webmanifest|woff2?)$/.test(path);
}
