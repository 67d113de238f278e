/**
 * Schemathesis (an independent implementation, from PyPI) makes requests from the OpenAPI document that is served, and holds the answers against
 * it: no server errors, no undocumented status, content type, header or body. Its environment is made once, in the user's cache folder.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CustomerEndpoint } from '@cf/testing';
import { prepareSchemathesis } from '../../../../tools/documents/schemathesis.js';
import { type Installation, startInstallation } from '../harness/installation.js';
import { setStage, type Stage } from './stage.js';

/** Random requests per operation, besides those at the boundaries of each schema. */
const EXAMPLES_MAX = 5;
/** Used up in any case; enough for some 5,000 requests where nothing else runs. */
const SECONDS = 60;
/** Longer than a test of a function may take: its timeout and 5 s. */
const ANSWER_SECONDS_MAX = 40;

const CHECKS = [
  'not_a_server_error',
  'status_code_conformance',
  'content_type_conformance',
  'response_headers_conformance',
  'response_schema_conformance',
];

/** Ids that exist, else every answer would be a 404. */
const settingsFor = ({ known }: Stage): string => {
  const collections = ['registered-apis', 'cloud-functions', 'triggers', 'access-tokens'].map(
    (collection) =>
      `[[operations]]\ninclude-path-regex = "/${collection}/\\\\{"\nparameters = { orgId = "${known.orgId}", id = "${known.in(collection)}" }\n`,
  );
  return [`[parameters]\norgId = "${known.orgId}"\ninvocationId = "${known.in('executions')}"\n`, ...collections].join('\n');
};

const run = (program: string, args: readonly string[], cwd: string): Promise<{ code: number | null; output: string }> =>
  new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, NO_COLOR: '1', COLUMNS: '200' } });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, output }));
  });

const schemathesis = prepareSchemathesis();
if ('missing' in schemathesis) {
  if (process.env['CI'] === 'true' && schemathesis.isWanted) throw new Error(`Schemathesis must run with CI=true: ${schemathesis.missing}`);
  process.stderr.write(`\nSKIPPED without Schemathesis: ${schemathesis.missing}\n`);
}

('missing' in schemathesis ? describe.skip : describe)('Schemathesis', () => {
  let product: Installation;
  let endpoint: CustomerEndpoint;
  let stage: Stage;
  const folder = mkdtempSync(join(tmpdir(), 'cf-schemathesis-'));
  beforeAll(async () => {
    endpoint = await CustomerEndpoint.start();
    product = await startInstallation('embedded');
    stage = await setStage(product, endpoint);
    writeFileSync(join(folder, 'schemathesis.toml'), settingsFor(stage));
  });
  afterAll(async () => {
    await endpoint.close();
    await product.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it('finds no server error and no answer outside the document', async () => {
    const { program } = schemathesis as { program: string };
    const { code, output } = await run(
      program,
      [
        'run',
        `${product.address}/openapi.json`,
        ...['--header', `Authorization: Bearer ${product.operatorToken}`],
        ...['--checks', CHECKS.join(',')],
        ...['--phases', 'examples,coverage,fuzzing', '--max-examples', String(EXAMPLES_MAX), '--max-time', String(SECONDS)],
        ...['--request-timeout', String(ANSWER_SECONDS_MAX), '--suppress-health-check', 'all', '--warnings', 'off', '--no-shrink'],
        // Streams have no end.
        ...['--exclude-path-regex', '/stream$'],
      ],
      folder,
    );
    if (code !== 0) throw new Error(output);
    expect(output).toMatch(/[1-9]\d* generated/);
  }, 240_000);
});
