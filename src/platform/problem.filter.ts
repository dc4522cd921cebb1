import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException, Logger } from '@nestjs/common';
import type { Request, Response } from 'express';
import { isOutage } from './outage.js';
import { Refusal } from './refusal.js';

/** Turns whatever a request threw into `application/problem+json` (RFC 9457). What is not ours to tell stays in the log. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  private readonly logger = new Logger(ProblemFilter.name);

  catch(thrown: unknown, host: ArgumentsHost): void {
    const request = host.switchToHttp().getRequest<Request>();
    const response = host.switchToHttp().getResponse<Response>();
    // A caller that went away gets no answer, and is no fault of ours.
    if (response.destroyed || response.closed) return;
    const refusal = this.toRefusal(thrown);
    if (refusal.status >= 500) this.logger.error({ err: safeError(thrown), url: request.path }, 'request failed');
    sendProblem(response, refusal);
  }

  private toRefusal(thrown: unknown): Refusal {
    if (thrown instanceof Refusal) return thrown;
    if (isOutage(thrown)) return Refusal.unavailable();
    if (thrown instanceof HttpException) return fromHttpException(thrown);
    if (isExpressClientError(thrown)) return new Refusal(thrown.status, 'bad_request', 'The request is malformed.');
    return new Refusal(500, 'internal_error', 'Something went wrong on our side. The request id helps to find it.');
  }
}

/** Writes a refusal as the whole answer; if an answer has begun already, only the connection can say that it failed. */
export function sendProblem(response: Response, refusal: Refusal): void {
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

function fromHttpException(exception: HttpException): Refusal {
  const status = exception.getStatus();
  if (status === 404) return new Refusal(404, 'not_found', 'There is nothing at this address.');
  if (status >= 500) return new Refusal(status, 'internal_error', 'Something went wrong on our side.');
  return new Refusal(status, 'bad_request', exception.message);
}

/** What Express itself throws on a malformed URL: an error with a 4xx `status`. */
function isExpressClientError(thrown: unknown): thrown is { status: number } {
  const status = (thrown as { status?: unknown } | null)?.status;
  return typeof status === 'number' && status >= 400 && status < 500;
}

/** An error's kind and stack without its message: a driver's message may quote a row. */
export function safeError(thrown: unknown): Record<string, unknown> {
  if (!(thrown instanceof Error)) return { type: typeof thrown };
  const code = (thrown as { code?: unknown }).code;
  const frames = thrown.stack?.split('\n').filter((line) => line.startsWith('    at ')) ?? [];
  return { type: thrown.constructor.name, code, stack: frames.slice(0, 12).join('\n') };
}
