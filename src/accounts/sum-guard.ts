import type { CanActivate, ExecutionContext } from '@nestjs/common';
import type { Request } from 'express';

/**
 * Looks at the sum before whatever else may be wrong with a request: a sum that is missing because it was called
 * `amount` is told as a missing sum, not as an unknown parameter.
 */
export class SumGuard implements CanActivate {
  /** @param readSum throws a refusal unless the request has a sum */
  constructor(private readonly readSum: (request: Request) => number) {}

  canActivate(context: ExecutionContext): boolean {
    this.readSum(context.switchToHttp().getRequest<Request>());
    return true;
  }
}
