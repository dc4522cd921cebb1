import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { Request, Response } from 'express';
import { AUDITED, type AuditRule } from './audited.js';
import { AuditLog } from './audit-log.js';
import { entryOf, wasRefusedByGuard } from './audited-request.js';

/** The key is valid but lacks the scope (403), or asks for another source than its own (404). */
const AUDITED_REFUSALS = [403, 404];

/**
 * Audits what other guards refuse, as those requests never reach an interceptor; so it must be the first guard. It
 * refuses nothing itself. Only requests with a valid key are audited: anybody can send requests without one (401), and
 * their entries could fill the disk.
 */
@Injectable()
export class AuditGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly log: AuditLog,
  ) {}

  canActivate(context: ExecutionContext): boolean {
    const rule = this.reflector.get<AuditRule | undefined>(AUDITED, context.getHandler());
    if (!rule) return true;
    const request = context.switchToHttp().getRequest<Request>();
    const response = context.switchToHttp().getResponse<Response>();
    response.once('finish', () => {
      const { statusCode } = response;
      if (!AUDITED_REFUSALS.includes(statusCode) || !wasRefusedByGuard(request)) return;
      // The answer held no data, so it did not wait for this; an entry that cannot be written is logged and counted.
      this.log.write(entryOf(request, rule, statusCode)).catch(() => undefined);
    });
    return true;
  }
}
