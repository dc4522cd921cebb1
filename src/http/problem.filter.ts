import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException, Logger } from '@nestjs/common';
import type { Request, Response } from 'express';
import { allowedMethods } from './allowed-methods.js';
import { loggedPath } from '../logging/logged-path.js';
import { isDiskFull, isOutage, isTooSlow } from '../database/outage.js';
import { takeReview } from './refusal-review.js';
import { Refusal } from './refusal.js';
import { safeError } from '../logging/safe-error.js';

/** Turns any error of a request into `application/problem+json` (RFC 9457). Internal details only go to the log. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  private readonly logger = new Logger(ProblemFilter.name);

  catch(thrown: unknown, host: ArgumentsHost): void {
    const request = host.switchToHttp().getRequest<Request>();
    const response = host.switchToHttp().getResponse<Response>();
    // A caller that has disconnected gets no answer, and is not an error of ours.
    if (response.destroyed || response.closed) return;
    const refusal = refusalFor(thrown, request);
    if (refusal.status >= 500) this.log(thrown, request);
    sendProblem(response, refusal);
  }

  /** Refusals are expected and may be many at once; their stack is of no use. */
  private log(thrown: unknown, request: Request): void {
    const path = loggedPath(request);
    if (thrown instanceof Refusal) this.logger.warn({ reason: thrown.code, path }, 'request refused');
    else this.logger.error({ err: safeError(thrown), path }, 'request failed');
  }
}

/** The refusal to answer a request with, for any error that it threw. */
export function refusalFor(thrown: unknown, request: Request): Refusal {
  if (thrown instanceof Refusal) return thrown;
  if (isDiskFull(thrown)) return Refusal.insufficientStorage();
  if (isTooSlow(thrown)) return Refusal.tooSlow();
  if (isOutage(thrown)) return Refusal.unavailable();
  if (thrown instanceof HttpException) return fromHttpException(thrown, request);
  if (isExpressClientError(thrown)) return new Refusal(thrown.status, 'bad_request', 'The request is malformed.');
  return new Refusal(500, 'internal_error', 'Something went wrong on our side. The request id helps to find it.');
}

/** Sends a refusal as the whole answer; if an answer has begun already, it closes the connection instead. */
export function sendProblem(response: Response, refusal: Refusal): void {
  const review = takeReview(response);
  if (!review) send(response, refusal);
  else
    void review(refusal)
      .catch(() => refusal)
      .then((reviewed) => send(response, reviewed));
}

function send(response: Response, refusal: Refusal): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  response
    .status(refusal.status)
    .set(refusal.headers)
    .type('application/problem+json')
    .send(JSON.stringify(refusal.toProblem()));
}

function fromHttpException(exception: HttpException, request: Request): Refusal {
  const status = exception.getStatus();
  // Our own 404s are refusals: this one means that no route matched the request.
  if (status === 404) return noRoute(request);
  if (status >= 500) return new Refusal(status, 'internal_error', 'Something went wrong on our side.');
  return new Refusal(status, 'bad_request', exception.message);
}

function noRoute(request: Request): Refusal {
  const methods = allowedMethods(request).join(', ');
  if (methods === '') return new Refusal(404, 'not_found', 'There is nothing at this address.');
  const headers = { Allow: methods };
  return new Refusal(405, 'method_not_allowed', `This address only supports ${methods}.`, { headers });
}

/** What Express itself throws on a malformed URL: an error with a 4xx `status`. */
function isExpressClientError(thrown: unknown): thrown is { status: number } {
  const status = (thrown as { status?: unknown } | null)?.status;
  return typeof status === 'number' && status >= 400 && status < 500;
}
