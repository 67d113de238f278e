/**
 * What a run of a part of the suite says of the bug that is planted. Caught by the tests that fail, or because it `did not end`: without a bug
 * the same part ends in time. What is in capitals proves nothing.
 */
export const judge = ({ timedOut, results }) => {
  if (timedOut) return { outcome: 'did not end', tests: [] };
  if (results === null) return { outcome: 'CRASHES THE RUNNER', tests: [] };
  const { tests, brokenSpecs, failed } = results;
  if (tests === 0 || brokenSpecs > 0) return { outcome: 'BREAKS THE CODE', tests: [] };
  return { outcome: failed.length > 0 ? 'caught' : 'MISSED', tests: failed };
};

export const isCaught = (outcome) => outcome === 'caught' || outcome === 'did not end';
