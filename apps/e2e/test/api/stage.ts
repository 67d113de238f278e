import { deadLetters } from '@cf/contract';
import { MessagePublisher } from '@cf/messaging';
import { type CustomerEndpoint, eventually } from '@cf/testing';
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

const executionThat = async (tenant: Tenant, endpoint: CustomerEndpoint, httpStatus: number, status: string): Promise<string> => {
  const path = `/${status}`;
  endpoint.answer(path, () => ({ status: httpStatus }));
  const triggerId = await tenant.createTrigger(await tenant.createFunction(endpoint.url, path), 'MessagePosted');
  await tenant.sendEvent(tenant.event('MessagePosted'));
  return eventually(async () => {
    const [execution] = await tenant.executions(`?status=${status}&triggerId=${triggerId}`);
    if (execution === undefined) throw new Error(`no execution is ${status} yet`);
    return execution.invocationId;
  });
};

const deadLetterOf = async (log: Installation['log'], operator: Api): Promise<string> => {
  const publisher = new MessagePublisher(log.createPublisher('stage', 'trigger'));
  await publisher.publish(deadLetters, deadLetters.example);
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
  const known = new KnownIds(tenant.orgId, {
    'registered-apis': registeredApiId,
    'cloud-functions': cloudFunctionId,
    triggers: await created('triggers', { name: 'Trigger', cloudFunctionId, triggerEvents: [{ category: 'ChatContext' }] }),
    'access-tokens': await created('access-tokens', { name: 'Token', scopes: ['triggers:read'] }),
    executions: await executionThat(tenant, endpoint, 404, 'dead_lettered'),
    docs: 'start.js',
    'dead-letters': await deadLetterOf(log, operator),
  });
  return { tenant, known, waitingId: await executionThat(tenant, endpoint, 500, 'retrying') };
};
