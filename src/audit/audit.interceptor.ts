import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { Request, Response } from 'express';
import { catchError, concatMap, type Observable } from 'rxjs';
import { AUDITED, type AuditRule, type RequestOutcome, setOutcomeRecorder } from './audited.js';
import type { AuditEntry } from './append-audit.js';
import { refusalFor } from '../http/problem.filter.js';
import { AuditLog } from './audit-log.js';
import { entryOf, leaveToInterceptor } from './audited-request.js';
import { peopleOfPage } from './people-of-page.js';

/**
 * Writes an audit entry for each request of an audited route: what was done or read, before the first byte of the answer
 * is sent; a refusal or failure, before the caller is told. A page that names few people has an entry for each of them.
 */
@Injectable()
export class AuditInterceptor implements NestInterceptor {
  constructor(
    private readonly reflector: Reflector,
    private readonly log: AuditLog,
  ) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const rule = this.reflector.get<AuditRule | undefined>(AUDITED, context.getHandler());
    if (!rule) return next.handle();
    const request = context.switchToHttp().getRequest<Request>();
    const response = context.switchToHttp().getResponse<Response>();
    let written: Promise<void> | null = null;
    const write = (done: RequestOutcome, people: RequestOutcome[] = []): Promise<void> => {
      const isNothing = rule.unlessEmpty === true && done.items === 0;
      const entries = (people.length > 0 ? people : [done]).map((each) =>
        entryOf(request, rule, response.statusCode, each),
      );
      const isSoon = rule.soon === true && people.length === 0;
      written ??= isNothing ? Promise.resolve() : this.record(entries, isSoon);
      return written;
    };
    leaveToInterceptor(request);
    setOutcomeRecorder(response, write);
    return next.handle().pipe(
      concatMap(async (answer: unknown) => {
        await write(doneBy(answer), peopleOfPage(request, rule, answer));
        return answer;
      }),
      catchError(async (error: unknown) => {
        if (written === null && !hasDisconnected(request)) await this.writeRefusal(request, rule, error);
        throw error;
      }),
    );
  }

  private async record(entries: AuditEntry[], isSoon: boolean): Promise<void> {
    await Promise.all(entries.map((entry) => (isSoon ? this.log.writeSoon(entry) : this.log.write(entry))));
  }

  /** @throws Refusal 503 if the entry of a refusal cannot be written: then the caller is not told the reason either */
  private async writeRefusal(request: Request, rule: AuditRule, error: unknown): Promise<void> {
    const { status } = refusalFor(error, request);
    const written = this.log.write(entryOf(request, rule, status));
    // A failure tells the caller no more than a 503 does, so it need not be replaced by one.
    await (status >= 500 ? written.catch(() => undefined) : written);
  }
}

/** Derives the result from the shape of an answer: a page of items, or an object with an id. */
function doneBy(answer: unknown): RequestOutcome {
  if (typeof answer !== 'object' || answer === null) return {};
  const { items, id } = answer as { items?: unknown; id?: unknown };
  if (Array.isArray(items)) return { items: items.length };
  return typeof id === 'string' ? { made: id } : {};
}

/** A sender that disconnected in the middle of its body has done nothing and gets no answer. */
function hasDisconnected(request: Request): boolean {
  return request.destroyed && !request.complete;
}
