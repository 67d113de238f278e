import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { AdminApi } from './admin-api.js';

/** What the printed `curl` lines speak of. The ids live in the database, the token (shown once) in the data folder. */
export interface Demo {
  readonly orgId: string;
  readonly token: string;
  readonly registeredApiId: string;
  readonly cloudFunctionId: string;
  readonly triggerId: string;
}

const FILE = 'demo.json';

const remembered = (dataDir: string): Demo | null => {
  try {
    return JSON.parse(readFileSync(join(dataDir, FILE), 'utf8')) as Demo;
  } catch {
    return null;
  }
};

const create = async (api: AdminApi, endpointBase: string): Promise<Demo> => {
  const organization = await api.post('/v1/organizations', { name: 'Demo clinic', cloudFunctionsEnabled: true });
  const inOrg = `/v1/orgs/${organization.id}`;
  const token = await api.post(`${inOrg}/access-tokens`, {
    name: 'Demo developer',
    scopes: [
      'registered-apis:read',
      'registered-apis:write',
      'cloud-functions:read',
      'cloud-functions:write',
      'triggers:read',
      'triggers:write',
      'event-catalog:read',
      'executions:read',
      'executions:write',
      'executions:reveal',
      'replays:read',
      'replays:write',
      'notifications:read',
      'notifications:write',
      'chat-events:publish',
      'step-executions:run',
    ],
  });
  const registeredApi = await api.post(`${inOrg}/registered-apis`, { name: 'Demo API', baseUrl: endpointBase });
  const cloudFunction = await api.post(`${inOrg}/cloud-functions`, {
    name: 'Schedule appointment',
    registeredApiId: registeredApi.id,
    endpointUrl: 'appointments',
    branchOptions: ['Scheduled', 'NotScheduled'],
  });
  const trigger = await api.post(`${inOrg}/triggers`, {
    name: 'Tell us about opened chats',
    actionType: 'CloudFunction',
    cloudFunctionId: cloudFunction.id,
    triggerEvents: [{ category: 'ChatStatus', filters: [{ property: 'EventType', operator: 'matches', values: ['ChatOpened'] }] }],
  });
  return {
    orgId: organization.id,
    token: String(token['token']),
    registeredApiId: registeredApi.id,
    cloudFunctionId: cloudFunction.id,
    triggerId: trigger.id,
  };
};

/**
 * Makes the demo organization through the HTTP API, as a user would, or finds the one that an earlier start made.
 * The demo API follows the address of this start.
 */
export const seedDemo = async (api: AdminApi, dataDir: string, endpointBase: string): Promise<Demo> => {
  const known = remembered(dataDir);
  const path = known === null ? '' : `/v1/orgs/${known.orgId}/registered-apis/${known.registeredApiId}`;
  const present = known === null ? null : await api.find(path, known.token);
  if (known !== null && present !== null) {
    if (present.body['baseUrl'] !== endpointBase) {
      await api.put(path, { name: 'Demo API', baseUrl: endpointBase }, present.etag);
    }
    return known;
  }
  const demo = await create(api, endpointBase);
  writeFileSync(join(dataDir, FILE), `${JSON.stringify(demo, null, 2)}\n`, { mode: 0o600 });
  return demo;
};
