/** One configuration for every project: sources are read through the `@cf/source` condition, so a test never sees a stale build. */
export default {
  testEnvironment: 'node',
  testEnvironmentOptions: { customExportConditions: ['@cf/source', 'node', 'node-addons'] },
  testMatch: ['<rootDir>/{apps,libs}/*/{src,test}/**/*.{spec,int-spec,e2e-spec}.ts', '<rootDir>/tools/**/*.spec.ts'],
  modulePathIgnorePatterns: ['<rootDir>/(apps|libs)/[^/]+/dist'],
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        swcrc: false,
        jsc: {
          target: 'es2022',
          keepClassNames: true,
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: true },
        },
        module: { type: 'es6' },
        sourceMaps: 'inline',
      },
    ],
  },
  reporters: ['default', '<rootDir>/tools/jest/counts-reporter.mjs'],
  globalSetup: '<rootDir>/tools/jest/set-up.mjs',
  globalTeardown: '<rootDir>/tools/jest/tear-down.mjs',
  // Integration specs wait more than they compute, but each worker holds pools, brokers' connections and timers: two fit a small machine.
  maxWorkers: 2,
  testTimeout: 60_000,
};
