import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { Request } from 'express';
import { from, Observable, switchMap } from 'rxjs';
import { callerSource } from '../../http/caller-source.js';
import { withinSource } from '../../database/source-isolation.js';
import { type Want, WANTS } from '../../http/wants.js';
import { Sources } from './sources.js';

/** The answers of these routes are about the process or about all sources; their handlers choose the scope themselves. */
const BEYOND_SOURCES: Want[] = ['public', 'any', 'ops'];

/** Runs each request within its caller's source: whatever its handler asks of the database is about that source. */
@Injectable()
export class WithinSource implements NestInterceptor {
  constructor(
    private readonly sources: Sources,
    private readonly reflector: Reflector,
  ) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const want = this.reflector.getAllAndOverride<Want | undefined>(WANTS, [context.getHandler(), context.getClass()]);
    if (want !== undefined && BEYOND_SOURCES.includes(want)) return next.handle();
    const source = callerSource(context.switchToHttp().getRequest<Request>());
    return from(this.sources.find(source)).pipe(switchMap((id) => handleWithin(id, next)));
  }
}

/** A handler begins when it is subscribed to; so the subscription has to happen within the source. */
function handleWithin(sourceId: number, next: CallHandler): Observable<unknown> {
  return new Observable((subscriber) => withinSource(sourceId, () => next.handle().subscribe(subscriber)));
}
