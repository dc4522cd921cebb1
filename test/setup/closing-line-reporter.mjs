/** Closes a run with one plain line that any program can read. */
export default class ClosingLineReporter {
  onRunComplete(_contexts, results) {
    const { numPassedTests: passed, numFailedTests, numFailedTestSuites, numPendingTests: skipped } = results;
    // A file that could not even be loaded has no failed test, but is no success.
    const failed = Math.max(numFailedTests, numFailedTestSuites);
    console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
  }
}
