import { deadLetters } from '@cf/contract';
import { MessagePublisher } from '@cf/messaging';
import { type CustomerAnswer, type CustomerEndpoint, eventually } from '@cf/testing';
import type { Api } from '../harness/api.js';
import type { Installation } from '../harness/installation.js';
import { Tenant } from '../harness/tenant.js';
import { KnownIds } from './known-ids.js';

/** An organization in which everything that a path or a body may name exists. */
export interface Stage {
  readonly tenant: Tenant;
  readonly known: KnownIds;
  /** An execution that waits for its next attempt, and can be cancelled. */
  readonly waitingId: string;
}

/** Executions of one trigger whose function answered so, and hangs from then on. */
const executionsThat = async (
  tenant: Tenant,
  endpoint: CustomerEndpoint,
  answer: CustomerAnswer,
  status: string,
  count = 1,
): Promise<string> => {
  const path = `/${status}`;
  endpoint.answer(path, () => answer);
  const triggerId = await tenant.createTrigger(await tenant.createFunction(endpoint.url, path, { timeoutMs: 30_000 }), 'MessagePosted');
  await tenant.sendEvents(Array.from({ length: count }, () => tenant.event('MessagePosted')));
  const id = await eventually(async () => {
    const executions = await tenant.executions(`?status=${status}&triggerId=${triggerId}`);
    if (executions.length < count) throw new Error(`${executions.length} executions are ${status}`);
    return executions[0]?.invocationId ?? '';
  });
  endpoint.answer(path, () => ({ hang: true }));
  return id;
};

const deadLetterOf = async (log: Installation['log'], operator: Api, orgId: string): Promise<string> => {
  const publisher = new MessagePublisher(log.createPublisher('stage', 'trigger'));
  await publisher.publish(deadLetters, { ...deadLetters.example, valueBase64: Buffer.from(`{"orgId":"${orgId}"`).toString('base64') });
  await publisher.close();
  return eventually(async () => {
    const { body } = await operator.get<{ data: { id: string }[] }>('/v1/dead-letters');
    if (body.data[0] === undefined) throw new Error('no dead letter yet');
    return body.data[0].id;
  });
};

export const setStage = async ({ operator, log }: Installation, endpoint: CustomerEndpoint): Promise<Stage> => {
  const tenant = await Tenant.create(operator);
  const created = (collection: string, body: object): Promise<string> =>
    operator.created(tenant.path(collection), body).then(({ id }) => id);
  const registeredApiId = await created('registered-apis', { name: 'API', baseUrl: endpoint.url });
  const cloudFunctionId = await created('cloud-functions', { name: 'Function', registeredApiId, endpointUrl: 'ok' });
  await operator.request('PUT', tenant.path('notification-webhook'), { cloudFunctionId });
  const known = new KnownIds(tenant.orgId, {
    'registered-apis': registeredApiId,
    'cloud-functions': cloudFunctionId,
    triggers: await created('triggers', { name: 'Trigger', cloudFunctionId, triggerEvents: [{ category: 'ChatContext' }] }),
    'access-tokens': await created('access-tokens', { name: 'Token', scopes: ['triggers:read'] }),
    executions: await executionsThat(tenant, endpoint, { status: 404 }, 'dead_lettered', 3),
    docs: 'start.js',
    'dead-letters': await deadLetterOf(log, operator, tenant.orgId),
  });
  const late = { status: 503, headers: { 'retry-after': '3600' } };
  return { tenant, known, waitingId: await executionsThat(tenant, endpoint, late, 'retrying') };
};
