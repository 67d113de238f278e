/**
 * Lints texts with forbidden imports as if they stood in our files, and fails unless each is refused by the rule it is meant for:
 * a boundary that does not fire looks exactly like one that nobody crosses. Allowed twins show that the rules do not refuse everything.
 */
import { fileURLToPath } from 'node:url';
import { ESLint } from 'eslint';
import tseslint from 'typescript-eslint';
import { buildProjectGraph } from './project-graph.mjs';

const NX = '@nx/enforce-module-boundaries';
const IMPORT = 'no-restricted-imports';

const refused = [
  ['apps/registry/src/canary.ts', `import '@cf/gateway';`, NX, 'apps never import apps'],
  ['apps/registry/src/canary.ts', `import '../../gateway/src/index.js';`, NX, 'no relative path leaves a project'],
  ['libs/messaging/src/canary.ts', `import '@cf/registry-cache';`, NX, 'infrastructure knows no domain'],
  ['libs/registry-cache/src/canary.ts', `import '@cf/registry';`, NX, 'libraries import no apps'],
  ['libs/contract/src/canary.ts', `import '@cf/messaging';`, NX, 'the contract depends on nothing'],
  ['libs/contract/src/canary.ts', `import 'pino';`, NX, 'the contract has one package'],
  ['libs/testing/src/canary.ts', `import '@cf/registry';`, NX, 'test support knows no app'],
  ['apps/registry/test/canary.int-spec.ts', `import '@cf/gateway';`, NX, 'specs of an app neither'],
  ['libs/contract/src/canary.ts', `import '@nestjs/common';`, IMPORT, 'the contract knows no Nest'],
  ['libs/contract/src/canary.ts', `import 'node:fs';`, IMPORT, 'the contract does no I/O'],
  ['apps/gateway/src/canary.ts', `import { eventually } from '@cf/testing';`, IMPORT, 'sources do not use test support'],
  ['libs/messaging/src/canary.ts', `import { eventually } from '@cf/testing';`, IMPORT, 'sources of libraries neither'],
  ['apps/gateway/src/canary.ts', `import { request } from 'undici';`, IMPORT, 'one place opens connections (undici)'],
  ['apps/invoker/src/canary.ts', `import { request } from 'undici';`, IMPORT, 'in the invoker too, only http/ does'],
  ['apps/gateway/src/canary.ts', `import axios from 'axios';`, IMPORT, 'one place opens connections (axios)'],
  ['apps/gateway/src/canary.ts', `import { request } from 'node:http';`, IMPORT, 'one place opens connections (node:http)'],
  ['apps/gateway/src/canary.ts', `import * as https from 'https';`, IMPORT, 'one place opens connections (https)'],
  ['apps/gateway/src/canary.ts', `await fetch('http://localhost');`, 'no-restricted-globals', 'one place opens connections (fetch)'],
  [
    'apps/gateway/src/canary.ts',
    `await globalThis.fetch('http://localhost');`,
    'no-restricted-properties',
    'one place opens connections (globalThis)',
  ],
  ['apps/gateway/src/canary.ts', `await import('undici');`, 'no-restricted-syntax', 'nor by a late import'],
  ['apps/gateway/src/canary.ts', `import { Kafka } from 'kafkajs';`, IMPORT, 'one library knows Kafka'],
  ['apps/invoker/src/http/canary.ts', `import { Kafka } from 'kafkajs';`, IMPORT, 'the exception for connections is none for Kafka'],
  ['apps/gateway/src/canary.ts', `console.log(process.env['PORT']);`, 'no-restricted-properties', 'settings come through the schema'],
  ['apps/gateway/src/canary.ts', `const { env } = process; console.log(env);`, 'no-restricted-properties', 'also when taken apart'],
  ['apps/gateway/src/canary.ts', `import { env } from 'node:process';`, IMPORT, 'also when imported'],
  ['apps/gateway/src/canary.ts', `export const value: any = 1;`, '@typescript-eslint/no-explicit-any', 'no any'],
];

const allowed = [
  ['apps/registry/src/canary.ts', `import '@cf/contract'; import '@cf/messaging'; import '@cf/registry-cache'; import '@cf/persistence';`],
  ['apps/standalone/src/canary.ts', `import '@cf/registry'; import '@cf/gateway';`],
  ['apps/invoker/src/http/canary.ts', `import { Pool } from 'undici'; console.log(Pool);`],
  ['libs/messaging/src/canary.ts', `import { Kafka } from 'kafkajs'; console.log(Kafka);`],
  ['apps/gateway/src/gateway.config.ts', `console.log(process.env['PORT']);`],
  ['apps/gateway/src/canary.ts', `import { createServer } from 'node:http'; console.log(createServer);`],
  ['apps/gateway/src/canary.spec.ts', `import { eventually } from '@cf/testing'; console.log(eventually);`],
  [
    'apps/gateway/test/canary.int-spec.ts',
    `import { eventually } from '@cf/testing'; console.log(eventually, await fetch('http://localhost'));`,
  ],
  ['libs/contract/src/canary.ts', `import { z } from 'zod'; console.log(z);`],
];

await buildProjectGraph();
// The texts are in no compiler's project, so the rules that ask for types are left out.
const eslint = new ESLint({
  cwd: fileURLToPath(new URL('../..', import.meta.url)),
  overrideConfig: [{ files: ['**/*.ts'], ...tseslint.configs.disableTypeChecked }],
});

const failures = [];
const messagesOf = async (filePath, code) => (await eslint.lintText(code, { filePath }))[0].messages;
for (const [filePath, code, rule, promise] of refused) {
  const messages = await messagesOf(filePath, code);
  if (!messages.some(({ ruleId }) => ruleId === rule)) failures.push(`${promise}: ${rule} let "${code}" pass in ${filePath}`);
}
for (const [filePath, code] of allowed) {
  for (const { ruleId, message } of await messagesOf(filePath, code))
    failures.push(`"${code}" in ${filePath} is refused by ${ruleId}: ${message}`);
}
for (const failure of failures) process.stdout.write(`${failure}\n`);
process.stdout.write(`${refused.length} forbidden texts, ${allowed.length} allowed ones, ${failures.length} judged wrongly\n`);
process.exitCode = failures.length === 0 ? 0 : 1;
