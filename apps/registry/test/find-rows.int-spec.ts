/** Real: Postgres with the registry's schema and its writers over HTTP. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createDatabase, type Database } from '@cf/persistence';
import { AccessTokenEntity } from '../src/access-tokens/access-token.entity.js';
import { findRows } from '../src/change-log/find-rows.js';
import { publishedKinds } from '../src/change-log/published-kinds.js';
import { CloudFunctionEntity } from '../src/cloud-functions/cloud-function.entity.js';
import { OrganizationEntity } from '../src/organizations/organization.entity.js';
import { RegisteredApiEntity } from '../src/registered-apis/registered-api.entity.js';
import { TriggerEntity } from '../src/triggers/trigger.entity.js';
import { type RegistryWorld, seedOrganization, startWorld } from './registry-fixture.js';

describe('rows that are locked to be compared with a topic', () => {
  let world: RegistryWorld;
  let database: Database;

  beforeAll(async () => {
    world = await startWorld();
    database = createDatabase({
      url: world.database.url,
      schema: 'registry',
      entities: [AccessTokenEntity, CloudFunctionEntity, OrganizationEntity, RegisteredApiEntity, TriggerEntity],
      migrations: [],
      name: 'find-rows',
    });
    await database.start();
  });
  afterAll(async () => {
    await database?.stop();
    await world?.end();
  });

  it('may be referred to meanwhile, and are not written', async () => {
    const { path, api, fn } = await seedOrganization(world);
    const ends: string[] = [];
    const put = (what: string, resource: string, body: object) =>
      world.call('PUT', `${path}/${resource}`, { body, ifMatch: '*' }).then(({ status }) => ends.push(`${what} ${status}`));
    const edits = await database.system(async (manager) => {
      const [found] = await findRows(manager, publishedKinds, [api.id as string], 'locked');
      expect(found?.row.version).toBe(1);
      const apiWritten = put('API', `registered-apis/${api.id as string}`, { name: 'A', baseUrl: 'https://api.example.com' });
      await put('function', `cloud-functions/${fn.id as string}`, { name: 'F', registeredApiId: api.id, endpointUrl: 'x' });
      return [apiWritten];
    });
    await Promise.all(edits);
    expect(ends).toEqual(['function 200', 'API 200']);
  });
});
