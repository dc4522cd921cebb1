import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { Request, Response } from 'express';
import { AUDITED, type AuditRule } from '../platform/audited.js';
import { AuditLog } from './audit-log.js';
import { entryOf } from './audited-request.js';

/** The key is known but may not do that. */
const FORBIDDEN = 403;

/**
 * Sees what guards refuse, which never reaches an interceptor; so it must be the first guard. Refuses nothing itself. Only
 * known keys leave an entry: strangers (401) could fill the disk.
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
      if (response.statusCode !== FORBIDDEN) return;
      // Nothing was handed out, so the answer did not wait; what cannot be written is logged and counted.
      this.log.write(entryOf(request, rule, FORBIDDEN)).catch(() => undefined);
    });
    return true;
  }
}
