/**
 * Real: the services of the release before and of this one as processes, side by side on one Kafka and one Postgres, while load runs.
 * Each service in turn is replaced by its successor, and in the end by its predecessor again on the schema that was migrated meanwhile.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { StepResult } from '@cf/contract';
import { createTestDatabase, CustomerEndpoint, describeOnKafka, eventually, testKafka } from '@cf/testing';
import { countCalls, persistently } from './harness/calls.js';
import { Fleet } from './harness/fleet.js';
import { buildPreviousRelease, hasPreviousRelease } from './harness/previous-release.js';
import { Tenant } from './harness/tenant.js';

const SERVICES = ['registry', 'executions', 'invoker', 'step-executor', 'trigger-matcher', 'gateway'];

describeOnKafka('a rolling upgrade', () => {
  let database: Awaited<ReturnType<typeof createTestDatabase>>;
  let endpoint: CustomerEndpoint;
  let fleet: Fleet;
  let previous: string;
  let tenant: Tenant;

  // A shallow clone of a user has no release before; CI has one or fails.
  const isShown = process.env['CI'] === 'true' || hasPreviousRelease();

  beforeAll(async () => {
    if (!isShown) return;
    previous = buildPreviousRelease();
    [database, endpoint] = await Promise.all([createTestDatabase(), CustomerEndpoint.start()]);
    fleet = new Fleet(testKafka()?.brokers ?? '', database.url);
    await fleet.startFrom(previous, 'registry');
    await fleet.startFrom(previous, ...SERVICES.slice(1));
    tenant = await Tenant.create(fleet.operator);
  }, 240_000);
  afterAll(async () => {
    await fleet?.close();
    await endpoint?.close();
    await database?.drop();
  }, 60_000);

  (isShown ? it : it.skip)(
    'from the release before and back again loses no event and no step, and repeats no call',
    async () => {
      endpoint.answer('/event', () => ({ status: 200 }));
      endpoint.answer('/step', () => ({ status: 200, body: '{"returnValue":"Yes"}' }));
      await tenant.createTrigger(await tenant.createFunction(endpoint.url, 'event'), 'MessagePosted');
      const cloudFunctionId = await tenant.createFunction(endpoint.url, 'step', { branchOptions: ['Yes'] });

      const sent: string[] = [];
      const results: StepResult[] = [];
      let loading = true;
      const load = (async () => {
        while (loading) {
          const event = tenant.event('MessagePosted');
          await persistently(
            () => tenant.sendEvent(event),
            ({ status }) => status === 202,
          );
          sent.push(event.id);
          const { orgId: _, ...body } = tenant.stepRequest(cloudFunctionId);
          const answer = await persistently(
            () => tenant.api.request<StepResult>('POST', tenant.path('step-executions'), body),
            ({ status }) => status === 200,
          );
          results.push(answer.body);
          await pause(50);
        }
      })();

      const replace = async (service: string, from: string, to: string, folder?: string): Promise<void> => {
        const before = results.length;
        await (folder === undefined ? fleet.start(to) : fleet.startFrom(folder, to));
        expect([service, await fleet.stop(from)]).toEqual([service, 0]);
        await eventually(() => expect(results.length).toBeGreaterThan(before + 3), 60_000);
      };
      try {
        for (const service of SERVICES) await replace(service, service, `${service}-2`);
        await tenant.createTrigger(await tenant.createFunction(endpoint.url, 'made-by-this-release', { timeoutMs: 5_000 }), 'ChatStatus');
        for (const service of SERVICES) await replace(service, `${service}-2`, `${service}-3`, previous);
        await tenant.createFunction(endpoint.url, 'made-by-the-release-before');
      } finally {
        loading = false;
        // What ends the load after a failure is not the failure to be told.
        load.catch(() => undefined);
      }
      await load;

      await tenant.sendEvent(tenant.event('ChatOpened'));
      await eventually(() => expect(endpoint.callsTo('/made-by-this-release')).toHaveLength(1));
      expect(results.filter(({ branchReason }) => branchReason !== 'matched')).toEqual([]);
      await eventually(() => expect([...countCalls(endpoint, '/event', ({ id }) => id).keys()].sort()).toEqual([...sent].sort()), 60_000);
      expect([...countCalls(endpoint, '/event', ({ id }) => id)].filter(([, count]) => count > 1)).toEqual([]);
      expect([...countCalls(endpoint, '/step', ({ executionId }) => executionId)].filter(([, count]) => count > 1)).toEqual([]);
      await eventually(async () => expect(await tenant.executions('?kind=trigger&status=queued&limit=1')).toEqual([]), 60_000);
    },
    300_000,
  );
});
