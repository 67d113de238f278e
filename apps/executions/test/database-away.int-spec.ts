/** Real: Postgres behind a proxy that can be cut, HTTP, the consumers, the claimer. In memory: the log. */
import { randomUUID } from 'node:crypto';
import { expect, it } from '@jest/globals';
import { triggerInvocationResults } from '@cf/contract';
import { eventually } from '@cf/testing';
import { inMs, retrying, succeeded, triggerRequest } from './messages.js';
import { RunningExecutions } from './running-executions.js';
import { SeverableProxy } from './severable-proxy.js';

it('says that Postgres is away, lets work wait, and goes on when it is back', async () => {
  const executions = await RunningExecutions.create();
  const proxy = await SeverableProxy.before(executions.database.url);
  try {
    await executions.startService(proxy.url);
    const orgId = await executions.addOrganization();
    const triggerId = randomUUID();
    await executions.setTrigger(orgId, triggerId);
    await eventually(async () => expect((await executions.get('/health/ready')).status).toBe(200));

    proxy.sever();
    const requests = Array.from({ length: 100 }, () => triggerRequest({ orgId, triggerId }));
    const waiting = triggerRequest({ orgId, triggerId });
    await executions.publish(triggerInvocationResults, ...requests.map((request) => succeeded(request)), retrying(waiting, inMs(0)));
    await eventually(async () => {
      const { status, body } = await executions.get('/health/ready');
      expect(status).toBe(503);
      expect(body.parts['executions-database']).toMatchObject({ ok: false });
    });
    await eventually(async () => expect((await executions.get(`/v1/orgs/${orgId}/executions`)).status).toBe(503));
    expect(await executions.recorded()).toBe(false);

    proxy.mend();
    await eventually(async () => expect(await executions.recorded()).toBe(true), 30_000);
    await eventually(() => expect(executions.sentOf(waiting.invocationId)).toHaveLength(1));
    const { rows } = await executions.sql.query<{ count: string }>(`SELECT count(*) FROM executions.executions WHERE status = 'succeeded'`);
    expect(Number(rows[0]!.count)).toBe(requests.length);
    await eventually(async () => expect((await executions.get('/health/ready')).status).toBe(200));
  } finally {
    await executions.stop();
    await proxy.close();
  }
});
