/**
 * What the compiler cannot see: who may import whom, and where the outside world may be touched. Boundaries between projects go by the `nx.tags`
 * of their package.json; `tools/lint/boundaries.canary.mjs` shows that each rule fires. No rule warns: it holds or it does not exist.
 */
import nx from '@nx/eslint-plugin';
import tseslint from 'typescript-eslint';
import { refusals } from './tools/lint/refusals.mjs';

const tests = ['**/*.spec.ts', '**/test/**', 'apps/e2e/**', 'libs/testing/**', 'tools/**', 'bench/**'];

const mayDependOn = (tag, ...tags) => ({ sourceTag: `type:${tag}`, onlyDependOnLibsWithTags: tags.map((other) => `type:${other}`) });

const boundaries = (options = {}) => ({
  '@nx/enforce-module-boundaries': [
    'error',
    {
      banTransitiveDependencies: true,
      // Nothing is bundled, so a late import of a library says nothing about its size.
      checkDynamicDependenciesExceptions: ['.*'],
      // The broker that specs of failures kill and restart, the documents that specs hold the product against, and the reports of long runs.
      allow: ['/tools/(kafka-broker|write-report|(documents|checker|chaos)/[a-z-]+)\\.(js|mjs|ts)$'],
      // A library's own specs use libs/testing, which is built on the library; its sources may not (refusals.mjs).
      ignoredCircularDependencies: ['messaging', 'persistence', 'service-kit', 'registry-cache', 'contract'].map((lib) => [
        '@cf/testing',
        `@cf/${lib}`,
      ]),
      depConstraints: [
        { ...mayDependOn('contract', 'contract', 'testing'), allowedExternalImports: ['zod', 'uuid', '@jest/globals', 'fast-check'] },
        mayDependOn('infra', 'contract', 'infra', 'testing'),
        mayDependOn('domain', 'contract', 'infra', 'domain', 'testing'),
        mayDependOn('testing', 'contract', 'infra', 'domain'),
        mayDependOn('app', 'contract', 'infra', 'domain', 'testing'),
        mayDependOn('composition', 'contract', 'infra', 'domain', 'testing', 'app'),
        mayDependOn('e2e', 'contract', 'infra', 'domain', 'testing', 'app'),
      ],
      ...options,
    },
  ],
});

export default tseslint.config(
  { ignores: ['**/dist/**', '.nx/**', '.run/**', '.data/**', 'coverage/**', '**/node_modules/**'] },
  {
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: { 'no-warning-comments': ['error', { terms: ['todo', 'fixme', 'xxx'] }] },
  },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.recommended],
    languageOptions: { parserOptions: { project: './tsconfig.check.json', tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_', ignoreRestSiblings: true }],
      // A promise that nobody waits for is a lost error, here often a lost message.
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: { arguments: false, properties: false } }],
      '@typescript-eslint/await-thenable': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/only-throw-error': 'error',
      // Nest modules are classes with nothing in them.
      '@typescript-eslint/no-extraneous-class': 'off',
      eqeqeq: 'error',
    },
  },
  { files: ['apps/**/*.ts', 'libs/**/*.ts'], plugins: { '@nx': nx }, rules: boundaries() },
  // Specs may go through the front door of their own project.
  { files: tests, ignores: ['tools/**', 'bench/**'], rules: boundaries({ allowCircularSelfDependency: true }) },
  { files: ['apps/*/src/**/*.ts', 'libs/*/src/**/*.ts'], ignores: tests, rules: refusals('http', 'kafka', 'testing', 'environment') },
  { files: ['libs/contract/src/**/*.ts'], ignores: tests, rules: refusals('http', 'kafka', 'testing', 'environment', 'io') },
  { files: ['libs/messaging/src/**/*.ts'], ignores: tests, rules: refusals('http', 'testing', 'environment') },
  { files: ['apps/invoker/src/http/**/*.ts'], ignores: tests, rules: refusals('kafka', 'testing', 'environment') },
  // Calls our own API on our own address, to set up the example of a first start.
  { files: ['apps/standalone/src/demo/**/*.ts'], ignores: tests, rules: refusals('kafka', 'testing', 'environment') },
  {
    files: ['apps/*/src/**/*.config.ts', 'libs/service-kit/src/*config.ts'],
    ignores: tests,
    rules: refusals('http', 'kafka', 'testing'),
  },
);
