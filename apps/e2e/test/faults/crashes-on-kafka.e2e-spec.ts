/**
 * Real: every service as its own process, Kafka, Postgres, SIGKILL and restarts, HTTP. The witness is the endpoint's own log.
 * One load runs through all faults: a stream of events and of steps that never stops.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { StepResult } from '@cf/contract';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '@cf/persistence';
import { CustomerEndpoint, describeOnKafka, eventually } from '@cf/testing';
import { type KafkaBroker, startKafkaBroker } from '../../../../tools/kafka-broker.js';
import { countCalls, persistently, repeatedCalls } from '../harness/calls.js';
import { Fleet } from '../harness/fleet.js';
import { Tenant } from '../harness/tenant.js';

/** In flight of one function (its share for triggers) and completed since the last commit, at most two commit batches of 256. */
const REPEATED_PER_FAULT_MAX = 50 + 2 * 256;

describeOnKafka('services as processes on Kafka', () => {
  let broker: KafkaBroker;
  let postgres: EmbeddedPostgres;
  let fleet: Fleet;
  let endpoint: CustomerEndpoint;
  let tenant: Tenant;
  let cloudFunctionId: string;
  const dataDir = mkdtempSync(join(tmpdir(), 'cf-crashes-'));

  beforeAll(async () => {
    [broker, postgres, endpoint] = await Promise.all([startKafkaBroker(), startEmbeddedPostgres({ dataDir }), CustomerEndpoint.start()]);
    fleet = new Fleet(broker.address, postgres.url);
    await fleet.start('registry');
    await fleet.start('executions', 'step-executor', 'trigger-matcher');
    await fleet.start('gateway', 'invoker', 'invoker-2');
    tenant = await Tenant.create(fleet.operator);
    endpoint.answer('/event', () => ({ status: 200, delayMs: 50 }));
    endpoint.answer('/step', () => ({ status: 200, delayMs: 50, body: '{"returnValue":"Yes"}' }));
    await tenant.createTrigger(await tenant.createFunction(endpoint.url, 'event'), 'MessagePosted');
    cloudFunctionId = await tenant.createFunction(endpoint.url, 'step', { branchOptions: ['Yes'] });
  }, 180_000);
  afterAll(async () => {
    await fleet?.close();
    await postgres?.stop();
    await broker?.stop();
    await endpoint?.close();
    rmSync(dataDir, { recursive: true, force: true });
  }, 120_000);

  const ask = async ({ orgId: _, ...body }: ReturnType<Tenant['stepRequest']>): Promise<StepResult> =>
    (
      await persistently(
        () => tenant.api.request<StepResult>('POST', tenant.path('step-executions'), body),
        ({ status }) => status === 200,
        120_000,
      )
    ).body;

  it('a graceful stop of an invoker with steps running repeats none', async () => {
    endpoint.answer('/slow-step', () => ({ status: 200, delayMs: 2_000, body: '{"returnValue":"Yes"}' }));
    const slow = await tenant.createFunction(endpoint.url, 'slow-step', { branchOptions: ['Yes'] });
    const requests = Array.from({ length: 20 }, () => tenant.stepRequest(slow));
    const answers = Promise.all(requests.map(ask));
    await eventually(() => expect(endpoint.callsTo('/slow-step').length).toBe(20), 30_000);
    expect(await fleet.stop('invoker-2')).toBe(0);
    for (const result of await answers) expect(result).toMatchObject({ outcome: 'succeeded', branchReason: 'matched' });
    const counts = countCalls(endpoint, '/slow-step', ({ executionId }) => executionId);
    expect(repeatedCalls(counts)).toBe(0);
    await fleet.start('invoker-2');
  }, 120_000);

  it('kill -9 of each service in turn, a restart of the broker and of Postgres under load lose nothing acknowledged', async () => {
    const sent: { id: string }[] = [];
    const asked: { request: ReturnType<Tenant['stepRequest']>; answer: Promise<StepResult> }[] = [];
    let loading = true;
    const events = (async () => {
      while (loading) {
        const batch = Array.from({ length: 20 }, () => tenant.event('MessagePosted'));
        await persistently(
          () => tenant.sendEvents(batch),
          ({ status }) => status === 202,
          120_000,
        );
        sent.push(...batch);
        await pause(100);
      }
    })();
    const steps = (async () => {
      while (loading) {
        const request = tenant.stepRequest(cloudFunctionId);
        const answer = ask(request);
        answer.catch(() => undefined);
        asked.push({ request, answer });
        await pause(100);
      }
    })();
    const progress = async (): Promise<void> => {
      const before = endpoint.callsTo('/event').length;
      await eventually(() => expect(endpoint.callsTo('/event').length).toBeGreaterThan(before + 100), 90_000);
    };

    await progress();
    const killed = ['invoker', 'trigger-matcher', 'step-executor', 'executions', 'gateway', 'registry'];
    for (const service of killed) {
      await fleet.kill9(service);
      await fleet.start(service);
      await progress();
    }
    await broker.restart();
    await progress();
    process.kill(Number(readFileSync(join(dataDir, 'postgres/postmaster.pid'), 'utf8').split('\n')[0]), 'SIGKILL');
    await progress();
    loading = false;
    await Promise.all([events, steps]);

    const results = await Promise.all(asked.map(({ answer }) => answer));
    expect(new Set(results.map(({ invocationId }) => invocationId)).size).toBe(asked.length);
    await eventually(() => {
      const called = countCalls(endpoint, '/event', ({ id }) => id);
      expect(sent.filter(({ id }) => !called.has(id))).toEqual([]);
    }, 120_000);
    expect(repeatedCalls(countCalls(endpoint, '/event', ({ id }) => id))).toBeLessThanOrEqual((killed.length + 2) * REPEATED_PER_FAULT_MAX);
    const repeated = await Promise.all(asked.slice(-20).map(({ request }) => ask(request)));
    expect(repeated).toEqual(results.slice(-20));

    await eventually(async () => {
      for (const status of ['queued', 'retrying']) expect(await tenant.executions(`?kind=trigger&status=${status}&limit=1`)).toEqual([]);
    }, 90_000);
  }, 600_000);
});
