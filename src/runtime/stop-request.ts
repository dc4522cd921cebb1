import { once } from 'node:events';

/**
 * For how long a repeated signal is the same request. npm passes on a signal that the process group has received already,
 * and Ctrl-C reaches npm and the process at once. A later repetition is somebody who does not want to wait any longer.
 */
const SAME_REQUEST_MS = 5_000;

/** The exit code of a process that ended before everything was closed, or because of an error. */
export const EXIT_UNCLOSED = 1;

/** Why a start was given up: the process was asked to stop meanwhile. */
class StopRequested extends Error {
  constructor() {
    super('the process was asked to stop');
  }
}

/** The request to a process to stop, which may come at any time, from its start on, and more than once. */
export class StopRequest {
  private readonly controller = new AbortController();
  private requestedAt = 0;

  /** Aborted by the first request, with {@link StopRequested} as its reason. */
  get signal(): AbortSignal {
    return this.controller.signal;
  }

  /**
   * Listens for SIGTERM and SIGINT for as long as the process lives. To be called before anything is started: without a
   * handler, a signal ends the process in the middle of it.
   */
  static listen(): StopRequest {
    const request = new StopRequest();
    for (const name of ['SIGTERM', 'SIGINT'] as const) process.on(name, () => request.onSignal());
    return request;
  }

  make(): void {
    if (this.signal.aborted) return;
    this.requestedAt = performance.now();
    this.controller.abort(new StopRequested());
  }

  /** Resolves once the process is asked to stop, or at once if it was. */
  async made(): Promise<void> {
    if (!this.signal.aborted) await once(this.signal, 'abort');
  }

  private onSignal(): void {
    const isLate = this.signal.aborted && performance.now() - this.requestedAt > SAME_REQUEST_MS;
    if (isLate) process.exit(EXIT_UNCLOSED);
    this.make();
  }
}
