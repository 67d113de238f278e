import { writeFileSync } from 'node:fs';

/** Leaves what `judge.mjs` reads in the file that CF_FAILURES_FILE names. */
export default class FailuresReporter {
  onRunComplete(_, { numTotalTests, numRuntimeErrorTestSuites, testResults }) {
    const failed = testResults.flatMap((suite) => suite.testResults.filter(({ status }) => status === 'failed'));
    const results = { tests: numTotalTests, brokenSpecs: numRuntimeErrorTestSuites, failed: failed.map(({ fullName }) => fullName) };
    writeFileSync(process.env.CF_FAILURES_FILE, JSON.stringify(results));
  }
}
