import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CustomerEndpoint, eventually } from '@cf/testing';
import { type Installation, startInstallation } from './harness/installation.js';
import { root } from './harness/processes.js';
import { Tenant } from './harness/tenant.js';

describe('the metrics', () => {
  let installation: Installation;
  let customer: CustomerEndpoint;
  const scrape = async (): Promise<string> => (await fetch(`${installation.address}/metrics`)).text();

  beforeAll(async () => {
    [installation, customer] = await Promise.all([startInstallation('embedded'), CustomerEndpoint.start()]);
  }, 180_000);
  afterAll(async () => {
    await installation.stop();
    await customer.close();
  });

  it('are all documented, and no others are', async () => {
    const documented = [...readFileSync(join(root, 'docs/metrics.md'), 'utf8').matchAll(/^\| `(cf_\w+)`/gm)].map(([, name]) => name);
    const served = [...(await scrape()).matchAll(/^# TYPE (cf_\w+)/gm)].map(([, name]) => name);
    expect(documented.toSorted()).toEqual(served.toSorted());
  });

  it('tell of calls, outcomes, circuits, requests, queues and pools', async () => {
    customer.answer('/fails', () => ({ status: 500 }));
    const tenant = await Tenant.create(installation.operator);
    const [works, fails] = [await tenant.createFunction(customer.url, 'works'), await tenant.createFunction(customer.url, 'fails')];
    await tenant.runStep(works);
    for (let calls = 0; calls < 20; calls++) await tenant.runStep(fails);
    expect(await tenant.runStep(fails)).toMatchObject({ failureReason: 'circuit_open' });
    await eventually(async () => {
      const lines = (await scrape()).split('\n');
      const value = (name: string, ...labels: string[]): number =>
        lines
          .filter((line) => line.startsWith(`${name}{`) && labels.every((label) => line.includes(label)))
          .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
      expect(value('cf_calls_total', 'lane="step"', '"succeeded"')).toBe(1);
      expect(value('cf_calls_total', 'lane="step"', '"http_status"')).toBe(20);
      expect(value('cf_circuit_state', 'lane="step"', 'state="open"')).toBe(1);
      expect(value('cf_step_results_total', 'circuit_open')).toBe(1);
      expect(value('cf_http_request_seconds_count', 'route="/v1/orgs/:orgId/step-executions"', 'status="200"')).toBe(22);
      expect(value('cf_consumer_commit_lag_records', 'group="step-executor"')).toBe(0);
      expect(value('cf_database_connections', 'schema="registry"')).toBeGreaterThan(0);
    });
    expect(await scrape()).not.toContain(tenant.orgId);
  });
});
