import type { CanActivate, ExecutionContext } from '@nestjs/common';
import type { Request } from 'express';

/**
 * Checks the sum before anything else in a request: a sum that is missing because it was sent as `amount` is reported
 * as a missing sum, not as an unknown parameter.
 */
export class SumGuard implements CanActivate {
  /** @param readSum throws a refusal unless the request has a valid sum */
  constructor(private readonly readSum: (request: Request) => number) {}

  canActivate(context: ExecutionContext): boolean {
    this.readSum(context.switchToHttp().getRequest<Request>());
    return true;
  }
}
