/** The environment of tests that run in Node itself, see `native-runtime.cjs`: its globals are those of the process. */
module.exports = class NativeEnvironment {
  global = globalThis;

  /** What Jest replaces for the time of a test file. */
  #console = globalThis.console;
  #exit = process.exit;

  async setup() {
    // Jest has installed a source map reader that looks for maps in files. Node knows the maps of what it has loaded.
    Error.prepareStackTrace = undefined;
  }

  async teardown() {
    globalThis.console = this.#console;
    process.exit = this.#exit;
  }

  exportConditions() {
    return ['node', 'import'];
  }

  /** There is none. Jest wants the method. */
  getVmContext() {
    return null;
  }
};
