const { registerHooks } = require('node:module');
const { pathToFileURL } = require('node:url');
const { globalsOfRuns, hooks, testUrl } = require('./test-modules.cjs');

/** Where jest-circus keeps what it knows of a test file. */
const EVENT_HANDLERS = Symbol.for('EVENT_HANDLERS');
const TEST_TIMEOUT = Symbol.for('TEST_TIMEOUT_SYMBOL');

process.setSourceMapsEnabled(true);
registerHooks(hooks);

let lastRun = 0;

/**
 * Runs test files in Node itself instead of a context of `node:vm`: the value of Jest's option `runtime`.
 *
 * Jest's own runtime loads every module again for each test file: one to three seconds of Nest and the ORM, 80 times. Here
 * a worker loads the application and its packages once. Timeouts, hooks and results are those of jest-circus, as ever.
 */
class NativeRuntime {
  constructor() {
    lastRun += 1;
    this.run = lastRun;
  }

  setGlobalsForRuntime(globals) {
    const jest = { setTimeout: (timeoutMs) => (globalThis[TEST_TIMEOUT] = timeoutMs) };
    globalsOfRuns.set(this.run, { ...globals, jest });
  }

  /** Modules of Jest's. The one asked for holds the state of a test file, so each file gets a new one. */
  requireInternalModule(path) {
    delete globalThis[EVENT_HANDLERS];
    delete globalThis[TEST_TIMEOUT];
    delete require.cache[path];
    return require(path);
  }

  requireModule(path) {
    return require(path);
  }

  unstable_shouldLoadAsEsm() {
    return true;
  }

  unstable_importModule(path) {
    return import(testUrl(pathToFileURL(path).href, this.run));
  }

  /** None: Node maps the lines of errors itself. */
  getSourceMaps() {
    return new Map();
  }

  /** None: coverage is not measured. */
  getAllCoverageInfoCopy() {
    return undefined;
  }

  enterTestCode() {}

  leaveTestCode() {}

  teardown() {
    globalsOfRuns.delete(this.run);
  }
}

module.exports = NativeRuntime;
