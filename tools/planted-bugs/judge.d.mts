interface SuiteResults {
  readonly tests: number;
  /** Specs that could not run. */
  readonly brokenSpecs: number;
  /** Names of tests. */
  readonly failed: readonly string[];
}

/** `results` is null when the runner left none. */
export function judge(run: { readonly timedOut: boolean; readonly results: SuiteResults | null }): {
  readonly outcome: 'caught' | 'did not end' | 'MISSED' | 'CRASHES THE RUNNER' | 'BREAKS THE CODE';
  readonly tests: readonly string[];
};
