/** Enough to find the place; the frames further up are the framework's. */
const MAX_FRAMES = 12;

/** A line of a stack. A message may have several lines, which follow the first one. */
const FRAME = /^ {4}at .+:\d+:\d+\)?$/;

/** Node's and PostgreSQL's codes. */
const CODE = /^\w{1,60}$/;

/** The parts of an error that a log may hold. */
export interface SafeError {
  type: string;
  code?: string;
  stack?: string;
}

/** An error's kind, code and stack without its message: a driver's message may quote a row. Idempotent. */
export function safeError(thrown: unknown): SafeError {
  if (typeof thrown !== 'object' || thrown === null) return { type: typeof thrown };
  const { type, code, stack } = thrown as Partial<Record<keyof SafeError, unknown>>;
  const kind = thrown.constructor === Object && typeof type === 'string' ? type : thrown.constructor?.name;
  const frames = typeof stack === 'string' ? stack.split('\n').filter((line) => FRAME.test(line)) : [];
  return {
    type: kind ?? 'object',
    ...(typeof code === 'string' && CODE.test(code) ? { code } : {}),
    ...(frames.length > 0 ? { stack: frames.slice(0, MAX_FRAMES).join('\n') } : {}),
  };
}
