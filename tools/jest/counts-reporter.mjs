import { writeFileSync } from 'node:fs';

/** Leaves the counts of a run for tools/run/test.mjs. A spec file that could not be run at all counts as one failure. */
export default class CountsReporter {
  onRunComplete(_contexts, results) {
    if (!process.env.CF_TEST_COUNTS_FILE) return;
    const counts = {
      passed: results.numPassedTests,
      failed: results.numFailedTests + results.numRuntimeErrorTestSuites,
      skipped: results.numPendingTests + results.numTodoTests,
    };
    writeFileSync(process.env.CF_TEST_COUNTS_FILE, JSON.stringify(counts));
  }
}
