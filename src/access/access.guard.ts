import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import type { Request } from 'express';
import { callerOf } from '../http/caller.js';
import { callerSource } from '../http/caller-source.js';
import { Authenticator } from './authenticator.js';
import { Routes } from './routes.js';

/** Checks for each route that the caller has the scope it requires. A route that declares none admits nobody. */
@Injectable()
export class AccessGuard implements CanActivate {
  constructor(
    private readonly authenticator: Authenticator,
    private readonly routes: Routes,
  ) {}

  canActivate(context: ExecutionContext): boolean {
    const want = this.routes.wantOf(context.getClass(), context.getHandler());
    if (context.getType() !== 'http' || want === undefined) return false;
    const request = context.switchToHttp().getRequest<Request>();
    this.authenticator.admit(request, request.path, want);
    // Also on routes that do not use the source: a key that is bound to one source must not name another.
    if (want !== 'public' && callerOf(request).source !== null) callerSource(request);
    return true;
  }
}
