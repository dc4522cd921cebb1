import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { IncomingMessage } from 'node:http';
import { callerOf } from './caller.js';
import { Refusal } from './refusal.js';
import { isSourceName } from '../values/source-name.js';

/** The source of callers who name none. */
const DEFAULT_SOURCE = 'default';

/**
 * The name of the source that a request is for. A key that is bound to a source is always for that one; other callers
 * name it in `X-Source`. @throws Refusal 400, or 404 for another source than the key's own
 */
export function callerSource(request: IncomingMessage): string {
  const { source: own } = callerOf(request);
  const name = request.headers['x-source'] ?? own ?? DEFAULT_SOURCE;
  if (typeof name !== 'string' || !isSourceName(name)) {
    throw Refusal.parameter(
      'X-Source',
      'The name of a source has 1 to 63 letters, digits, dots, _ and -, and starts with a letter or digit.',
      'invalid_source',
    );
  }
  if (!maySee(request, name)) throw Refusal.notFound('source');
  return name;
}

/** Whether the caller may see a source: its own, or all if its key is bound to none. */
export function maySee(request: IncomingMessage, source: string): boolean {
  const { source: own } = callerOf(request);
  return own === null || own === source;
}

/** Injects the name of the caller's source into a handler. */
export const CallerSource = createParamDecorator((_: unknown, context: ExecutionContext) =>
  callerSource(context.switchToHttp().getRequest<IncomingMessage>()),
);
