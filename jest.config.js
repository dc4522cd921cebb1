/** @type {import('jest').Config} */
export default {
  roots: ['<rootDir>/src', '<rootDir>/test'],
  testRegex: '\\.(spec|test)\\.ts$',
  // Modules are loaded and compiled by Node, once in a worker.
  runtime: '<rootDir>/test/setup/native-runtime.cjs',
  testEnvironment: '<rootDir>/test/setup/native-environment.cjs',
  transform: {},
  globalSetup: '<rootDir>/test/setup/global-setup.mjs',
  globalTeardown: '<rootDir>/test/setup/global-teardown.mjs',
  setupFiles: ['reflect-metadata'],
  testSequencer: '<rootDir>/test/setup/longest-first.mjs',
  reporters: [
    'default',
    '<rootDir>/test/setup/slowest-files-reporter.mjs',
    '<rootDir>/test/setup/closing-line-reporter.mjs',
  ],
  // Much of the time is spent waiting for other processes, also on two cores.
  maxWorkers: 3,
  testTimeout: 30_000,
  // A worker holds hundreds of megabytes: on a busy machine it needs longer than Jest's half second to end.
  workerGracefulExitTimeout: 5_000,
};
