/** The registry over HTTP on a real Postgres, which stores no NUL and no half surrogate pair. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type RegistryWorld, seedOrganization, startWorld } from './registry-fixture.js';

let world: RegistryWorld;
let path: string;
let ids: { api: string; fn: string };
beforeAll(async () => {
  world = await startWorld();
  const seeded = await seedOrganization(world);
  path = seeded.path;
  ids = { api: seeded.api.id, fn: seeded.fn.id };
});
afterAll(() => world.end());

/** The body once for each text in it, that text spoiled; with the pointer to it. */
const spoiled = (body: unknown, text: string): { pointer: string; body: unknown }[] => {
  if (typeof body === 'string') return [{ pointer: '', body: `${body}${text}` }];
  if (typeof body !== 'object' || body === null) return [];
  return Object.entries(body).flatMap(([key, value]) =>
    spoiled(value, text).map((one) => ({
      pointer: `/${key}${one.pointer}`,
      body: Array.isArray(body) ? body.with(Number(key), one.body) : { ...body, [key]: one.body },
    })),
  );
};

const api = {
  name: 'CRM',
  baseUrl: 'https://crm.example.com',
  headers: [
    { name: 'X-A', value: 'a' },
    { name: 'X-B', value: 'b', secret: true },
  ],
};
const authorizations = [
  { type: 'ApiKey', keyName: 'key', keyValue: 'k', addTo: 'QueryParams' },
  { type: 'Basic', username: 'u', password: 'p' },
  { type: 'BearerToken', token: 't' },
  { type: 'OAuth', accessTokenUrl: 'https://login.test/token', clientId: 'c', clientSecret: 's', scope: 'a' },
];
const filters = [{ property: 'Topic', operator: 'matches', values: ['t'] }];

describe('text that Postgres cannot store', () => {
  it.each(['\0', '\ud800'])('is refused wherever a body has text: %j', async (text) => {
    const bodies: [string, unknown][] = [
      ['/v1/organizations', { name: 'Clinic' }],
      [`${path}/access-tokens`, { name: 'Token', scopes: ['triggers:read'], expiresAt: '2036-01-01T00:00:00.000Z' }],
      ...authorizations.map((authorization): [string, unknown] => [`${path}/registered-apis`, { ...api, authorization }]),
      [`${path}/registered-apis/${ids.api}/copies`, { name: 'Copy' }],
      [
        `${path}/cloud-functions`,
        {
          name: 'F',
          registeredApiId: ids.api,
          endpointUrl: 'a',
          branchOptions: ['A'],
          signing: { enabled: true, scheme: 'medchat', secret: 's' },
        },
      ],
      [`${path}/triggers`, { name: 'T', cloudFunctionId: ids.fn, triggerEvents: [{ category: 'ChatStatus', filters }] }],
    ];
    for (const [to, body] of bodies) {
      expect([to, (await world.call('POST', to, { body })).status]).toEqual([to, 201]);
      for (const { pointer, body: given } of spoiled(body, text))
        expect([to, pointer, (await world.call('POST', to, { body: given })).status]).toEqual([to, pointer, 400]);
    }
  });

  it('is refused in a query', async () => {
    const lists = ['access-tokens', 'registered-apis', 'cloud-functions', 'triggers'].map((list) => `${path}/${list}?name=`);
    const audit = ['action', 'actor', 'subjectType', 'subjectId'].map((filter) => `${path}/audit-log?${filter}=`);
    for (const asked of ['/v1/organizations?name=', ...lists, ...audit])
      expect([asked, (await world.call('GET', `${asked}a%00b`)).status]).toEqual([asked, 400]);
  });
});
