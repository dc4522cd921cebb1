const SHOWN = 10;

/** Names the files that took longest at the end of a run: where to look when the checks get slow. */
export default class SlowestFilesReporter {
  constructor({ rootDir }) {
    this.rootDir = rootDir;
  }

  onRunComplete(_contexts, { testResults }) {
    const files = testResults
      .map(({ testFilePath, perfStats }) => ({ path: testFilePath, seconds: perfStats.runtime / 1000 }))
      .toSorted((a, b) => b.seconds - a.seconds);
    const total = files.reduce((sum, { seconds }) => sum + seconds, 0);
    console.log(`\nThe slowest of ${files.length} test files (${total.toFixed(0)} s in all):`);
    for (const { path, seconds } of files.slice(0, SHOWN)) {
      console.log(`${seconds.toFixed(1).padStart(7)} s  ${path.slice(this.rootDir.length + 1)}`);
    }
  }
}
