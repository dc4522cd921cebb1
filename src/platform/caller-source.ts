import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { Request } from 'express';
import { Refusal } from './refusal.js';

/** The source of whoever does not say which. */
const DEFAULT_SOURCE = 'default';

const SOURCE_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

/** The name of the source that a request speaks for: its `X-Source` header. @throws Refusal 400 */
export function callerSource(request: Request): string {
  const name = request.headers['x-source'] ?? DEFAULT_SOURCE;
  if (typeof name === 'string' && SOURCE_NAME.test(name)) return name;
  throw Refusal.parameter(
    'X-Source',
    'A source is named with 1 to 63 letters, digits, dots, _ and -.',
    'invalid_source',
  );
}

/** The name of the caller's source as a parameter of a handler. */
export const CallerSource = createParamDecorator((_: unknown, context: ExecutionContext) =>
  callerSource(context.switchToHttp().getRequest<Request>()),
);
