/** The options of our BullMQ workers. */
export const WORKER_OPTIONS = {
  // A lock that is not renewed for 5 s is lost, which is checked every 2 s: with BullMQ's defaults the job of a killed
  // worker would only start again after a minute.
  lockDuration: 5_000,
  stalledInterval: 2_000,
  maxStalledCount: 10,
  // A worker looks for new jobs each second, as the notification of one may be lost with its connection.
  drainDelay: 1,
  // By default a worker pauses for 15 s after an error of its connection (measured with PostgreSQL away for a moment).
  runRetryDelay: 1_000,
  // Started by the application once it is complete, with the concurrency of the settings.
  autorun: false,
};
