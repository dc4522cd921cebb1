import type { Response } from 'express';
import type { JobView } from './job-view.js';
import type { JobWatcher } from './job-watcher.js';

/** A comment now and then keeps proxies from closing a silent stream. */
const KEEP_ALIVE_MS = 15_000;

/** A stream is not held open for longer; the client connects again by itself. */
const MAX_STREAM_MS = 3_600_000;

/**
 * Sends `event: job` with the job whenever it has moved, the first at once, and ends with the job.
 * @param view the job as it is when called
 */
export async function streamJobEvents(
  response: Response,
  watcher: JobWatcher,
  jobId: string,
  view: () => Promise<JobView>,
): Promise<void> {
  response.set({
    'Content-Type': 'text/event-stream',
    'Cache-Control': 'no-store, no-cache, no-transform',
    'X-Accel-Buffering': 'no',
  });
  response.flushHeaders();
  await new Promise<void>((resolve) => {
    let sending = Promise.resolve();
    const stop = watcher.watch(
      jobId,
      () => {
        sending = sending.then(() => send()).catch(() => end());
      },
      () => end(),
    );
    const keepAlive = setInterval(() => response.write(': keep-alive\n\n'), KEEP_ALIVE_MS);
    const limit = setTimeout(() => end(), MAX_STREAM_MS);
    const end = () => {
      stop();
      clearInterval(keepAlive);
      clearTimeout(limit);
      response.end();
      resolve();
    };
    const send = async () => {
      const job = await view();
      if (response.writableEnded) return;
      response.write(`event: job\ndata: ${JSON.stringify(job)}\n\n`);
      if (job.finishedAt !== null) end();
    };
    response.on('close', end);
  });
}
