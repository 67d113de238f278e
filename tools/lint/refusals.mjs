/**
 * Imports and globals that the sources (not the tests) of most projects may not use. Each message says why, and where to go instead.
 * ESLint keeps only the last setting of a rule for a file, so every group of files is given its whole list at once.
 */
const REASONS = {
  http:
    'Only apps/invoker/src/http opens outbound connections: there the address guard, time limits, size caps and the two lanes are. ' +
    'Send an invocation request to its topic, or add what is missing there.',
  kafka:
    'Only libs/messaging knows the Kafka client, so that every promise holds on both logs. Use its MessageLog, @OnMessage or MessagePublisher.',
  testing: 'libs/testing is for specs: it must not be part of what runs. Move what sources need into the library that owns it.',
  environment:
    'Settings are read once, by a schema that names the bad one. Add it to <app>.config.ts (readConfig of @cf/service-kit) and inject the result.',
  io: 'libs/contract knows no broker, no Nest and no I/O: everything may depend on it because it depends on nothing. Put this into the library that does the I/O.',
};

const MODULES = {
  http: { names: ['undici', 'axios', 'node-fetch', 'got'], clients: ['node:http', 'node:https', 'http', 'https', 'node:http2', 'http2'] },
  kafka: { names: ['kafkajs'] },
  testing: { names: ['@cf/testing'] },
  environment: { clients: ['node:process', 'process'], clientNames: ['env', 'default'] },
  io: { names: ['@nestjs/*', 'pg', 'typeorm', 'node:fs', 'node:net', 'node:http', 'node:https', 'node:child_process', 'node:timers'] },
};

/** A server needs the other half of these modules. */
const HTTP_CLIENT = ['request', 'get', 'Agent', 'globalAgent', 'ClientRequest', 'connect', 'default'];

const GLOBALS = {
  http: [
    { object: 'globalThis', property: 'fetch' },
    { object: 'globalThis', property: 'WebSocket' },
    { object: 'globalThis', property: 'EventSource' },
  ],
  environment: [{ object: 'process', property: 'env' }],
};

/** The rules that refuse these kinds: 'http', 'kafka', 'testing', 'environment', 'io'. */
export const refusals = (...kinds) => ({
  'no-restricted-imports': [
    'error',
    {
      patterns: kinds.flatMap((kind) => {
        const { names = [], clients = [], clientNames = HTTP_CLIENT } = MODULES[kind];
        return [
          ...names.map((name) => ({ regex: `^${name.replace('*', '.*')}(/|$)`, message: REASONS[kind] })),
          ...clients.map((name) => ({ regex: `^${name}$`, importNames: clientNames, message: REASONS[kind] })),
        ];
      }),
    },
  ],
  'no-restricted-syntax': [
    'error',
    ...kinds
      .flatMap((kind) => (MODULES[kind].names ?? []).map((name) => ({ name: name.replace('*', '').replaceAll('/', '\\/'), kind })))
      .map(({ name, kind }) => ({
        selector: `ImportExpression[source.value=/^${name}/]`,
        message: REASONS[kind],
      })),
  ],
  'no-restricted-globals': [
    'error',
    ...(kinds.includes('http') ? ['fetch', 'WebSocket', 'EventSource'].map((name) => ({ name, message: REASONS.http })) : []),
  ],
  'no-restricted-properties': [
    'error',
    ...kinds.flatMap((kind) => (GLOBALS[kind] ?? []).map((global) => ({ ...global, message: REASONS[kind] }))),
  ],
});
