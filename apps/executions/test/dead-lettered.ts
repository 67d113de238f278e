import { randomUUID } from 'node:crypto';
import { expect } from '@jest/globals';
import { type InvocationResult, triggerInvocationResults } from '@cf/contract';
import { eventually } from '@cf/testing';
import { failed, inMs, triggerRequest } from './messages.js';
import type { RunningExecutions } from './running-executions.js';

const TWO_DAYS_MS = 2 * 86_400_000;

/** An organization with one trigger and function, and this many dead-lettered executions of theirs, the oldest first. */
export const deadLettered = async (
  executions: RunningExecutions,
  count: number,
  over: (age: number) => Partial<InvocationResult> = () => ({}),
) => {
  const orgId = await executions.addOrganization();
  const [triggerId, cloudFunctionId] = [randomUUID(), randomUUID()];
  await executions.setTrigger(orgId, triggerId);
  await executions.setFunction(orgId, cloudFunctionId);
  const requests = Array.from({ length: count }, (_, age) =>
    triggerRequest({ orgId, triggerId, cloudFunctionId, acceptedAt: inMs(age - TWO_DAYS_MS).toISOString() }),
  );
  await executions.publish(triggerInvocationResults, ...requests.map((request, age) => failed(request, over(age))));
  await eventually(async () => expect(await executions.recorded()).toBe(true));
  const path = `/v1/orgs/${orgId}/replays`;
  const replay = (body: object) => executions.request('POST', path, { body: { name: 'after the outage', ...body } });
  const progress = (id: string, expected: object) =>
    eventually(async () => {
      const { body } = await executions.get(`${path}/${id}`);
      expect(body).toMatchObject(expected);
      return body;
    });
  const sent = () => executions.sent.filter((request) => request.orgId === orgId);
  return { orgId, triggerId, cloudFunctionId, requests, path, replay, progress, sent };
};
