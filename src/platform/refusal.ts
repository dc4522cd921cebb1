import { STATUS_CODES } from 'node:http';

/** One thing that is wrong with a request, in the shape of RFC 9457's `errors` extension. */
export interface ProblemDetail {
  /** JSON pointer into the body. */
  pointer?: string;
  /** Name of the query parameter or header. */
  parameter?: string;
  code: string;
  detail: string;
}

interface RefusalExtras {
  errors?: ProblemDetail[];
  headers?: Record<string, string>;
}

/**
 * An expected "no" to a caller: a 4xx (or a 503) with a stable `code`, never retried, never logged as a fault.
 * `detail` is shown to the caller, so it holds no personal data, SQL or path.
 */
export class Refusal extends Error {
  readonly errors: ProblemDetail[];
  readonly headers: Record<string, string>;

  constructor(
    readonly status: number,
    readonly code: string,
    readonly detail: string,
    extras: RefusalExtras = {},
  ) {
    super(detail);
    this.errors = extras.errors ?? [];
    this.headers = extras.headers ?? {};
  }

  /**
   * The body as RFC 9457 wants it. The type says no more than the status does; `code` is what programs go by.
   */
  toProblem(): Record<string, unknown> {
    return {
      type: 'about:blank',
      title: STATUS_CODES[this.status] ?? 'Error',
      status: this.status,
      detail: this.detail,
      code: this.code,
      ...(this.errors.length > 0 ? { errors: this.errors } : {}),
    };
  }

  /** A query parameter or header that cannot be taken: 400. */
  static parameter(parameter: string, detail: string, code = 'invalid_parameter'): Refusal {
    return new Refusal(400, code, detail, { errors: [{ parameter: shownName(parameter), code, detail }] });
  }

  /** A field of a JSON body that cannot be taken: 400. */
  static field(name: string, detail: string, code = 'invalid_field'): Refusal {
    return new Refusal(400, code, detail, { errors: [{ pointer: pointerTo(name), code, detail }] });
  }

  /** A cursor that we did not make for this list and order: 400. */
  static foreignCursor(): Refusal {
    return Refusal.parameter('cursor', 'The cursor does not belong to this list and order.', 'invalid_cursor');
  }

  static notFound(what: string): Refusal {
    return new Refusal(404, 'not_found', `There is no such ${what}.`);
  }

  /** PostgreSQL or the queue is away. */
  static unavailable(): Refusal {
    return new Refusal(503, 'unavailable', 'A service that this needs is away for the moment. Try again shortly.', {
      headers: { 'Retry-After': '2' },
    });
  }

  /** There is no room for what was sent: 507 (RFC 4918, section 11.5). */
  static insufficientStorage(
    code = 'disk_full',
    detail = 'The database has no room for this. Nothing of it was kept; try again later.',
  ): Refusal {
    return new Refusal(507, code, detail, { headers: { 'Retry-After': '60' } });
  }
}

/** The JSON pointer to a field of the body itself (RFC 6901). */
export function pointerTo(name: string): string {
  return `/${shownName(name).replaceAll('~', '~0').replaceAll('/', '~1')}`;
}

/** What names of parameters and fields look like. */
const NAME = /^[\w.~/[\]-]{1,100}$/;

/** A name that a caller sent, if it is fit to be said back: an answer is no place for whatever somebody writes. */
export function shownName(name: string): string {
  return NAME.test(name) ? name : '(not a name)';
}
