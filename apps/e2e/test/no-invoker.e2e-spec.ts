import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { ExecutionsModule } from '@cf/executions';
import { GatewayModule } from '@cf/gateway';
import { RegistryModule } from '@cf/registry';
import { StepExecutorModule } from '@cf/step-executor';
import { onBothLogs } from './harness/both-logs.js';
import { type Installation, startInstallation } from './harness/installation.js';
import { Tenant } from './harness/tenant.js';

onBothLogs('with no invoker alive', (engine) => {
  let product: Installation;

  beforeAll(async () => {
    product = await startInstallation(engine, [RegistryModule, StepExecutorModule, ExecutionsModule, GatewayModule]);
  });
  afterAll(() => product?.stop());

  it('a step is answered at its deadline', async () => {
    const tenant = await Tenant.create(product.operator);
    const cloudFunctionId = await tenant.createFunction('http://127.0.0.1:9', 'never-called');
    const deadline = Date.now() + 2_000;
    const result = await tenant.runStep(cloudFunctionId, { deadline: new Date(deadline).toISOString() });
    expect(result).toMatchObject({ outcome: 'failed', failureReason: 'deadline_exceeded', branchReason: 'failure_branch', attempts: 0 });
    // Timers count the milliseconds of another clock.
    expect(Date.parse(result.completedAt)).toBeGreaterThanOrEqual(deadline - 1);
    expect(Date.now() - deadline).toBeLessThan(2_000);
  });
});
