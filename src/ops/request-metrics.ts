import { Injectable } from '@nestjs/common';
import type { NextFunction, Request, Response } from 'express';
import { Metrics } from './metrics.js';

/** Measures the duration of every request, whoever answers or refuses it: a page, a route, a guard, a limit. */
@Injectable()
export class RequestMetrics {
  constructor(private readonly metrics: Metrics) {}

  /** The middleware. It must come before everything that may answer. */
  readonly measure = (request: Request, response: Response, next: NextFunction): void => {
    const stop = this.metrics.requests.startTimer();
    response.once('close', () =>
      stop({ method: request.method, route: routeOf(request), status: response.statusCode }),
    );
    next();
  };
}

/** The pattern of the route: a path may hold anything, and would make a series of its own. */
function routeOf(request: Request): string {
  const pattern = (request.route as { path?: unknown } | undefined)?.path;
  // A pattern with a star belongs to middleware.
  return typeof pattern === 'string' && !pattern.includes('*') ? pattern : 'none';
}
