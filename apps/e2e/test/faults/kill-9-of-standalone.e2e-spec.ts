/**
 * Real: the built program as its own process, embedded Postgres, SIGKILL, HTTP. The witness is the endpoint's own log.
 * Asserted: nothing acknowledged is lost, what is called again is within the bound of guarantees.md §1, results are unique.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { StepResult } from '@cf/contract';
import { CustomerEndpoint, eventually } from '@cf/testing';
import { Api } from '../harness/api.js';
import { countCalls, persistently, repeatedCalls } from '../harness/calls.js';
import { Program } from '../harness/processes.js';
import { Tenant } from '../harness/tenant.js';

const EVENTS = 2_000;
const STEPS = 200;
const KILLS = 2;
const CONCURRENCY = 50;
/** In flight (a function's share for triggers) and completed since the last commit, at most two commit batches of 256. */
const REPEATED_PER_KILL_MAX = CONCURRENCY + 2 * 256;

let program: Program;
let endpoint: CustomerEndpoint;
const dataDir = mkdtempSync(join(tmpdir(), 'cf-kill-'));
const env = { NODE_ENV: 'test', PORT: '0', DATA_DIR: dataDir, OPERATOR_TOKEN: 'e2e-operator-token-0123456789' };
const start = async (): Promise<void> => {
  program = await Program.start('apps/standalone/dist/main.js', env);
};

beforeAll(async () => {
  endpoint = await CustomerEndpoint.start();
  await start();
});
afterAll(async () => {
  await program?.stop();
  await endpoint?.close();
  rmSync(dataDir, { recursive: true, force: true });
});

it('kill -9, twice, with 2,000 events and 200 steps in flight loses nothing that was acknowledged and gives each step one result', async () => {
  endpoint.answer('/event', () => ({ status: 200, delayMs: 30 }));
  endpoint.answer('/step', () => ({ status: 200, delayMs: 500, body: '{"returnValue":"Yes"}' }));
  const tenant = await Tenant.create(new Api(() => program.address, env.OPERATOR_TOKEN));
  await tenant.createTrigger(await tenant.createFunction(endpoint.url, 'event', { maxConcurrency: CONCURRENCY }), 'MessagePosted');
  const cloudFunctionId = await tenant.createFunction(endpoint.url, 'step', { branchOptions: ['Yes'] });

  const events = Array.from({ length: EVENTS }, () => tenant.event('MessagePosted'));
  for (let sent = 0; sent < EVENTS; sent += 500) expect((await tenant.sendEvents(events.slice(sent, sent + 500))).status).toBe(202);

  const requests = Array.from({ length: STEPS }, () => tenant.stepRequest(cloudFunctionId));
  const ask = async ({ orgId: _, ...body }: (typeof requests)[number]): Promise<StepResult> => {
    const answer = await persistently(
      () => tenant.api.request<StepResult>('POST', tenant.path('step-executions'), body),
      ({ status }) => status === 200,
    );
    return answer.body;
  };
  const answers = Promise.all(requests.map(ask));

  for (let kill = 1; kill <= KILLS; kill++) {
    const before = endpoint.callsTo('/event').length;
    await eventually(() => expect(endpoint.callsTo('/event').length).toBeGreaterThan(before + EVENTS / 5), 60_000);
    await program.kill9();
    await start();
  }

  const first = await answers;
  await eventually(() => expect(countCalls(endpoint, '/event', ({ id }) => id).size).toBe(EVENTS), 120_000);
  expect(repeatedCalls(countCalls(endpoint, '/event', ({ id }) => id))).toBeLessThanOrEqual(KILLS * REPEATED_PER_KILL_MAX);

  const steps = countCalls(endpoint, '/step', ({ executionId }) => executionId);
  for (const count of steps.values()) expect(count).toBeLessThanOrEqual(1 + KILLS);
  for (const result of first) expect(['succeeded', 'failed']).toContain(result.outcome);
  const second = await Promise.all(requests.map(ask));
  expect(second).toEqual(first);

  await eventually(async () => {
    expect(await tenant.executions('?kind=trigger&status=queued&limit=1')).toEqual([]);
    expect(await tenant.executions('?kind=trigger&status=retrying&limit=1')).toEqual([]);
  }, 60_000);
}, 240_000);
