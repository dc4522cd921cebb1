/** How our workers take jobs from a queue. */
export const WORKER_OPTIONS = {
  // A lock that is not renewed for 5 s is lost, which is looked for every 2 s: with BullMQ's defaults a killed worker's
  // job would start again after a minute only.
  lockDuration: 5_000,
  stalledInterval: 2_000,
  maxStalledCount: 10,
  // A wait for the queue is over after a second, if the word that something came has got lost with its connection.
  drainDelay: 1,
  // After trouble with its connection a worker would sit still for 15 s (measured with PostgreSQL away for a moment).
  runRetryDelay: 1_000,
  // Started once all is there, with the concurrency of the settings.
  autorun: false,
};
