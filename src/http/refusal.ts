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
   * The body in the shape of RFC 9457. The type says no more than the status; programs should use `code`.
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

  /** An invalid query parameter or header: 400. */
  static parameter(parameter: string, detail: string, code = 'invalid_parameter'): Refusal {
    return new Refusal(400, code, detail, { errors: [{ parameter: shownName(parameter), code, detail }] });
  }

  /** An invalid field of a JSON body: 400. */
  static field(name: string, detail: string, code = 'invalid_field'): Refusal {
    return new Refusal(400, code, detail, { errors: [{ pointer: pointerTo(name), code, detail }] });
  }

  /** A cursor that we did not make for this list and order: 400. */
  static foreignCursor(): Refusal {
    const detail =
      'The cursor is none that was made for this list, with these filters and in this order. Begin again without it.';
    return Refusal.parameter('cursor', detail, 'invalid_cursor');
  }

  static notFound(what: string): Refusal {
    return new Refusal(404, 'not_found', `There is no such ${what}.`);
  }

  /** PostgreSQL or the queue is unavailable: 503. */
  static unavailable(): Refusal {
    return new Refusal(
      503,
      'unavailable',
      'A service that this needs is unavailable at the moment. Try again shortly.',
      {
        headers: { 'Retry-After': '2' },
      },
    );
  }

  /** The database works, but a query of the request exceeded its time limit, or waited too long for a lock: 503. */
  static tooSlow(): Refusal {
    const detail = 'A query of this request took longer than it may. Ask for less of it, or try again later.';
    return new Refusal(503, 'query_timeout', detail, { headers: { 'Retry-After': '5' } });
  }

  /** There is no space to store the request: 507 (RFC 4918, section 11.5). */
  static insufficientStorage(
    code = 'disk_full',
    detail = 'The database has no space left for this. Nothing of it was kept; try again later.',
  ): Refusal {
    return new Refusal(507, code, detail, { headers: { 'Retry-After': '60' } });
  }
}

/** The JSON pointer to a field of the body itself (RFC 6901). */
export function pointerTo(name: string): string {
  return `/${shownName(name).replaceAll('~', '~0').replaceAll('/', '~1')}`;
}

/** The shape of names of parameters and fields. */
const NAME = /^[\w.~/[\]-]{1,100}$/;

/** A name that a caller sent, if it has the shape of one: an answer must not repeat arbitrary input. */
export function shownName(name: string): string {
  return NAME.test(name) ? name : '(not a name)';
}
