/** The registry over HTTP on a real Postgres; the log is the embedded one over memory. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { listCursor } from '@cf/service-kit';
import { eventually } from '@cf/testing';
import { z } from 'zod';
import { type Registry, type RegistryWorld, seedOrganization, startWorld } from './registry-fixture.js';

let world: RegistryWorld;
let call: Registry['call'];
beforeAll(async () => {
  world = await startWorld();
  call = world.call;
});
afterAll(() => world.end());

const pointers = (answer: { body: { errors: { pointer: string; code: string }[] } }): string[] =>
  answer.body.errors.map(({ pointer, code }) => `${pointer} ${code}`);

describe('an answer that is no success', () => {
  it('is problem+json with code, errors and trace id', async () => {
    const answer = await call('POST', '/v1/organizations', { body: { name: 7, extra: true } });
    expect(answer.status).toBe(400);
    expect(answer.headers.get('content-type')).toContain('application/problem+json');
    expect(answer.body).toMatchObject({
      status: 400,
      code: 'invalid_request',
      title: 'Bad Request',
      traceId: expect.stringMatching(/^[0-9a-f]{32}$/),
    });
    expect(pointers(answer)).toEqual(['/name invalid_type', '/extra unknown_key']);
  });

  it.each(['{"name":', '[]', '"text"', 'null', ''])('says so for the body %j', async (body) => {
    const answer = await call('POST', '/v1/organizations', { body });
    expect([answer.status, answer.headers.get('content-type')]).toEqual([400, 'application/problem+json; charset=utf-8']);
  });

  it.each(['a\u0000b', 'a\nb', 'half \ud800', '   ', '', 'x'.repeat(201)])(
    'refuses the name %j, and Postgres never sees it',
    async (name) => {
      const answer = await call('POST', '/v1/organizations', { body: { name, cloudFunctionsEnabled: true } });
      expect([answer.status, answer.body.errors[0].pointer]).toEqual([400, '/name']);
    },
  );
});

describe('organizations', () => {
  it('are made, read, listed and switched by operators', async () => {
    const made = await call('POST', '/v1/organizations', { body: { name: 'Clinic', cloudFunctionsEnabled: false } });
    expect(made.status).toBe(201);
    expect(made.etag).toBe('"1"');
    expect(made.body).toMatchObject({
      name: 'Clinic',
      cloudFunctionsEnabled: false,
      createdAt: expect.stringMatching(/^\d{4}-.*\.\d{3}Z$/),
    });
    const patched = await call('PATCH', `/v1/organizations/${made.body.id}`, { body: { cloudFunctionsEnabled: true }, ifMatch: made.etag });
    expect([patched.status, patched.etag]).toEqual([200, '"2"']);
    expect(patched.body).toMatchObject({ id: made.body.id, name: 'Clinic', cloudFunctionsEnabled: true });
    const read = await call('GET', `/v1/organizations/${(made.body.id as string).toUpperCase()}`);
    expect([read.status, read.etag]).toEqual([200, '"2"']);
    expect(read.body).toEqual(patched.body);
    const listed = await call('GET', '/v1/organizations?limit=1');
    expect(listed.body.data).toEqual([patched.body]);
  });

  it('are nobody else’s business', async () => {
    const { path } = await seedOrganization(world);
    const { token } = (await call('POST', `${path}/access-tokens`, { body: { name: 'Admin', scopes: ['triggers:read'] } })).body;
    expect((await call('GET', '/v1/organizations', { token })).status).toBe(403);
    expect((await call('GET', '/v1/organizations', { token: null })).status).toBe(401);
    expect((await call('GET', '/v1/organizations', { token: 'cf_wrong' })).status).toBe(401);
  });

  it('that are unknown are 404, in their own path and as a tenant', async () => {
    const id = randomUUID();
    expect((await call('GET', `/v1/organizations/${id}`)).status).toBe(404);
    expect((await call('GET', `/v1/orgs/${id}/triggers`)).status).toBe(404);
    expect((await call('GET', '/v1/orgs/none/triggers')).status).toBe(404);
    expect((await call('GET', '/v1/organizations/none')).status).toBe(404);
  });
});

const oauth = {
  type: 'OAuth',
  grantType: 'client_credentials',
  accessTokenUrl: 'https://login.example.com/oauth/token?tenant=1',
  clientId: 'the-client',
  clientSecret: 'hidden-client-secret',
  scope: 'appointments.write',
  sendAs: 'RequestBody',
};

describe('registered APIs', () => {
  it('get the defaults of the published wire format', async () => {
    const { path } = await seedOrganization(world);
    const made = await call('POST', `${path}/registered-apis`, { body: { name: 'CRM', baseUrl: 'https://crm.example.com' } });
    expect(made.status).toBe(201);
    expect(made.body).toMatchObject({
      name: 'CRM',
      baseUrl: 'https://crm.example.com',
      isReadOnly: false,
      headers: [],
      authorization: { type: 'None' },
    });
  });

  it('never answer a secret, and PUT keeps what it leaves out', async () => {
    const { path } = await seedOrganization(world);
    const body = {
      name: 'CRM',
      baseUrl: 'https://crm.example.com/v1',
      headers: [
        { name: 'X-Plain', value: 'seen' },
        { name: 'X-Key', value: 'hidden-header', secret: true },
      ],
      authorization: { type: 'Basic', username: 'us', password: 'hidden-password' },
    };
    const made = await call('POST', `${path}/registered-apis`, { body });
    expect(JSON.stringify(made.body)).not.toContain('hidden');
    expect(JSON.stringify(made.body)).not.toContain('sealed');
    expect(made.body.headers).toEqual([
      { name: 'X-Plain', value: 'seen', secret: false },
      { name: 'X-Key', value: { isSet: true }, secret: true },
    ]);
    expect(made.body.authorization).toEqual({ type: 'Basic', username: 'us', password: { isSet: true } });

    const leftOut = {
      ...body,
      baseUrl: 'https://crm.example.com/v2',
      headers: [{ name: 'x-key', secret: true }],
      authorization: { type: 'Basic', username: 'them' },
    };
    const put = await call('PUT', `${path}/registered-apis/${made.body.id}`, { body: leftOut, ifMatch: made.etag });
    expect(put.status).toBe(200);
    const [last] = (await world.log.changesOf(made.body.id)).slice(-1);
    const resource = last?.type === 'registered-api' ? last.resource : null;
    const aad = `${resource?.orgId}:${resource?.id}`;
    const [header] = resource?.headers ?? [];
    expect(header?.secret === true && world.keyRing.open(header.sealedValue, aad)).toBe('hidden-header');
    expect(resource?.authorization.type === 'Basic' && world.keyRing.open(resource.authorization.sealedPassword, aad)).toBe(
      'hidden-password',
    );

    const echoed = { ...leftOut, authorization: put.body.authorization };
    expect((await call('PUT', `${path}/registered-apis/${made.body.id}`, { body: echoed, ifMatch: put.etag })).status).toBe(200);
  });

  it('ask for every secret again when they would be sent elsewhere', async () => {
    const { path } = await seedOrganization(world);
    const body = {
      name: 'CRM',
      baseUrl: 'https://crm.example.com',
      headers: [{ name: 'X-Key', value: 'one', secret: true }],
      authorization: { type: 'BearerToken', token: 'two' },
    };
    const made = await call('POST', `${path}/registered-apis`, { body });
    const moved = {
      ...body,
      baseUrl: 'https://evil.example.com',
      headers: [{ name: 'X-Key', secret: true }],
      authorization: { type: 'BearerToken' },
    };
    const refused = await call('PUT', `${path}/registered-apis/${made.body.id}`, { body: moved, ifMatch: '*' });
    expect(refused.status).toBe(400);
    expect(pointers(refused)).toEqual(['/headers/0/value secret_required', '/authorization/token secret_required']);
    expect(
      (await call('PUT', `${path}/registered-apis/${made.body.id}`, { body: { ...body, baseUrl: moved.baseUrl }, ifMatch: '*' })).status,
    ).toBe(200);
  });

  it('save OAuth, keep its client secret, and ask for it again when the token URL moves', async () => {
    const { path } = await seedOrganization(world);
    const body = { name: 'CRM', baseUrl: 'https://crm.example.com', authorization: oauth };
    const made = await call('POST', `${path}/registered-apis`, { body });
    expect([made.status, JSON.stringify(made.body).includes('hidden')]).toEqual([201, false]);
    expect(made.body.authorization).toEqual({ ...oauth, clientSecret: { isSet: true } });
    const target = `${path}/registered-apis/${made.body.id as string}`;
    expect((await call('GET', target)).body).toEqual(made.body);

    const { clientSecret: _, ...leftOut } = { ...oauth, accessTokenUrl: 'https://login.example.com/v2/token', scope: '' };
    const put = await call('PUT', target, { body: { ...body, authorization: leftOut }, ifMatch: made.etag });
    expect([put.status, put.body.authorization]).toEqual([200, { ...leftOut, clientSecret: { isSet: true } }]);
    const [last] = (await world.log.changesOf(made.body.id)).slice(-1);
    const resource = last?.type === 'registered-api' ? last.resource : null;
    const { authorization } = resource ?? {};
    expect(
      authorization?.type === 'OAuth' && world.keyRing.open(authorization.sealedClientSecret, `${resource?.orgId}:${resource?.id}`),
    ).toBe('hidden-client-secret');

    for (const moved of [
      { ...body, authorization: { ...leftOut, accessTokenUrl: 'https://evil.example.com/token' } },
      { ...body, baseUrl: 'https://evil.example.com', authorization: leftOut },
    ]) {
      const refused = await call('PUT', target, { body: moved, ifMatch: '*' });
      expect([refused.status, ...pointers(refused)]).toEqual([400, '/authorization/clientSecret secret_required']);
    }
  });

  it('that are read-only are locked for ever, and may be deleted when unused', async () => {
    const { path } = await seedOrganization(world);
    const body = { name: 'Locked', baseUrl: 'https://crm.example.com' };
    const made = await call('POST', `${path}/registered-apis`, { body });
    const locked = await call('PUT', `${path}/registered-apis/${made.body.id}`, {
      body: { ...body, isReadOnly: true },
      ifMatch: made.etag,
    });
    expect([locked.status, locked.body.isReadOnly]).toEqual([200, true]);
    const edit = await call('PUT', `${path}/registered-apis/${made.body.id}`, { body, ifMatch: locked.etag });
    expect([edit.status, edit.body.code]).toEqual([409, 'locked']);
    expect((await call('DELETE', `${path}/registered-apis/${made.body.id}`)).status).toBe(204);
    expect((await call('GET', `${path}/registered-apis/${made.body.id}`)).status).toBe(404);
  });

  it.each([
    [{ baseUrl: 'ftp://a.test' }, '/baseUrl invalid_base_url'],
    [{ baseUrl: 'https://u:p@a.test' }, '/baseUrl invalid_base_url'],
    [{ baseUrl: 'https://a.test/?q=1' }, '/baseUrl invalid_base_url'],
    [{ baseUrl: 'http://10.0.0.1' }, '/baseUrl blocked_address'],
    [{ baseUrl: 'https://[::ffff:10.0.0.1]' }, '/baseUrl blocked_address'],
    [{ headers: [{ name: 'Host', value: 'x' }] }, '/headers/0/name forbidden_header'],
    [{ headers: [{ name: 'X-A', value: 'a\r\nb' }] }, '/headers/0/value invalid_header_value'],
    [{ headers: [{ name: 'X-A' }] }, '/headers/0/value required'],
    [{ headers: [{ name: 'X-A', secret: true }] }, '/headers/0/value required'],
    [{ authorization: { type: 'Basic', username: 'a:b', password: 'c' } }, '/authorization/username colon_in_username'],
    [{ authorization: { type: 'BearerToken' } }, '/authorization/token required'],
    [{ authorization: { type: 'BearerToken', token: { isSet: true } } }, '/authorization/token required'],
    [
      { authorization: { type: 'ApiKey', keyName: 'Connection', keyValue: 'v', addTo: 'Header' } },
      '/authorization/keyName forbidden_header',
    ],
    [{ authorization: { ...oauth, accessTokenUrl: 'https://u@login.test' } }, '/authorization/accessTokenUrl invalid_token_url'],
    [{ authorization: { ...oauth, accessTokenUrl: 'https://login.test/#x' } }, '/authorization/accessTokenUrl invalid_token_url'],
    [{ authorization: { ...oauth, accessTokenUrl: 'http://10.0.0.1/token' } }, '/authorization/accessTokenUrl blocked_address'],
    [{ authorization: { ...oauth, grantType: 'password' } }, '/authorization/grantType invalid_value'],
    [{ authorization: { ...oauth, clientSecret: undefined } }, '/authorization/clientSecret required'],
    [{ baseUrl: 'https://*' }, '/baseUrl invalid_base_url'],
    [{ baseUrl: 'https://a..b/' }, '/baseUrl invalid_base_url'],
    [{ authorization: { type: 'None', token: 'x' } }, '/authorization/token unknown_key'],
  ])('refuse %j', async (part, expected) => {
    const { path } = await seedOrganization(world);
    const answer = await call('POST', `${path}/registered-apis`, { body: { name: 'A', baseUrl: 'https://a.test', ...part } });
    expect(answer.status).toBe(400);
    expect(pointers(answer)).toEqual([expected]);
  });
});

describe('cloud functions', () => {
  it('get the defaults of the published wire format', async () => {
    const { fn } = await seedOrganization(world);
    expect(fn).toMatchObject({
      endpointUrl: 'schedule',
      branchOptions: [],
      enabled: true,
      timeoutMs: 10_000,
      maxConcurrency: 50,
      signing: { enabled: false, secret: { isSet: false } },
    });
  });

  it('are replaced whole, but for the signing secret', async () => {
    const { path, api } = await seedOrganization(world);
    const body = {
      name: 'F',
      registeredApiId: api.id,
      endpointUrl: '/x?y=1',
      branchOptions: ['A', 'a', ' '],
      timeoutMs: 1_000,
      signing: { enabled: true, secret: 'hidden' },
    };
    const made = await call('POST', `${path}/cloud-functions`, { body });
    expect(made.body).toMatchObject({
      branchOptions: ['A', 'a', ' '],
      timeoutMs: 1_000,
      signing: { enabled: true, secret: { isSet: true } },
    });
    const put = await call('PUT', `${path}/cloud-functions/${made.body.id}`, {
      body: { name: 'G', registeredApiId: (api.id as string).toUpperCase(), endpointUrl: 'z', signing: { enabled: true } },
      ifMatch: made.etag,
    });
    expect([put.status, put.etag]).toEqual([200, '"2"']);
    expect(put.body).toMatchObject({
      name: 'G',
      registeredApiId: api.id,
      branchOptions: [],
      timeoutMs: 10_000,
      signing: { enabled: true, secret: { isSet: true } },
    });
    const removed = await call('PUT', `${path}/cloud-functions/${made.body.id}`, {
      body: { name: 'G', registeredApiId: api.id, endpointUrl: 'z', signing: { enabled: false, secret: null } },
      ifMatch: '"1", "2"',
    });
    expect(removed.body.signing).toEqual({ enabled: false, scheme: 'medchat', secret: { isSet: false }, previousExpiresAt: null });
  });

  it.each([
    [{ endpointUrl: '../admin' }, '/endpointUrl dot_segment'],
    [{ endpointUrl: 'https://evil.test' }, '/endpointUrl absolute_url'],
    [{ endpointUrl: '' }, '/endpointUrl empty'],
    [{ branchOptions: ['a', 'b', 'a'] }, '/branchOptions/2 duplicate'],
    [{ branchOptions: [''] }, '/branchOptions/0 too_small'],
    [{ branchOptions: [1] }, '/branchOptions/0 invalid_type'],
    [{ timeoutMs: 999 }, '/timeoutMs too_small'],
    [{ timeoutMs: 30_001 }, '/timeoutMs too_big'],
    [{ timeoutMs: 1_000.5 }, '/timeoutMs invalid_type'],
    [{ maxConcurrency: 0 }, '/maxConcurrency too_small'],
    [{ enabled: 'yes' }, '/enabled invalid_type'],
    [{ signing: { enabled: true } }, '/signing/secret secret_required'],
    [{ registeredApiId: randomUUID() }, '/registeredApiId unknown_reference'],
    [{ registeredApiId: 'x' }, '/registeredApiId invalid_format'],
    [{ method: 'GET' }, '/method unknown_key'],
  ])('refuse %j', async (part, expected) => {
    const { path, api } = await seedOrganization(world);
    const body = { name: 'F', registeredApiId: api.id, endpointUrl: 'x', ...part };
    const answer = await call('POST', `${path}/cloud-functions`, { body });
    expect([answer.status, ...pointers(answer)]).toEqual([400, expected]);
  });

  it('name what is missing', async () => {
    const { path } = await seedOrganization(world);
    expect(pointers(await call('POST', `${path}/cloud-functions`, { body: {} }))).toEqual([
      '/name invalid_type',
      '/registeredApiId invalid_type',
      '/endpointUrl invalid_type',
    ]);
  });
});

describe('triggers', () => {
  it('keep their filters in order', async () => {
    const { path, fn } = await seedOrganization(world);
    const triggerEvents = [
      {
        category: 'ChatStatus',
        filters: [
          { property: 'EventType', operator: 'matches', values: ['ChatOpened', 'ChatEnded'] },
          { property: 'Widget', operator: 'doesNotMatch', values: [randomUUID()] },
        ],
      },
      { category: 'Subscriptions', filters: [{ property: 'PhoneNumber', operator: 'matches', values: ['x'] }] },
    ];
    const made = await call('POST', `${path}/triggers`, { body: { name: 'T', cloudFunctionId: fn.id, triggerEvents, loopGuardLimit: 5 } });
    expect(made.status).toBe(201);
    expect(made.body).toMatchObject({ actionType: 'CloudFunction', enabled: true, triggerEvents, loopGuardLimit: 5 });
    const put = await call('PUT', `${path}/triggers/${made.body.id}`, {
      body: { name: 'T', cloudFunctionId: fn.id, enabled: false, triggerEvents: [{ category: 'ChatContext' }] },
      ifMatch: made.etag,
    });
    expect(put.body).toMatchObject({ enabled: false, triggerEvents: [{ category: 'ChatContext', filters: [] }], loopGuardLimit: null });
  });

  it.each([
    [{ triggerEvents: [] }, '/triggerEvents too_small'],
    [{ triggerEvents: [{ category: 'Nope' }] }, '/triggerEvents/0/category invalid_value'],
    [
      { triggerEvents: [{ category: 'Subscriptions', filters: [{ property: 'Topic', operator: 'matches', values: ['x'] }] }] },
      '/triggerEvents/0/filters/0/property unknown_filter_property',
    ],
    [
      {
        triggerEvents: [
          { category: 'ChatStatus', filters: [{ property: 'EventType', operator: 'matches', values: ['ChatOpened', 'MessagePosted'] }] },
        ],
      },
      '/triggerEvents/0/filters/0/values/1 unknown_event_type',
    ],
    [
      { triggerEvents: [{ category: 'ChatStatus', filters: [{ property: 'Topic', operator: 'is', values: ['x'] }] }] },
      '/triggerEvents/0/filters/0/operator invalid_value',
    ],
    [
      { triggerEvents: [{ category: 'ChatStatus', filters: [{ property: 'Topic', operator: 'matches', values: [] }] }] },
      '/triggerEvents/0/filters/0/values too_small',
    ],
    [{ actionType: 'Email' }, '/actionType invalid_value'],
    [{ cloudFunctionId: randomUUID() }, '/cloudFunctionId unknown_reference'],
    [{ loopGuardLimit: 0 }, '/loopGuardLimit too_small'],
    [{ loopGuardLimit: 10_001 }, '/loopGuardLimit too_big'],
  ])('refuse %j', async (part, expected) => {
    const { path, fn } = await seedOrganization(world);
    const answer = await call('POST', `${path}/triggers`, {
      body: { name: 'T', cloudFunctionId: fn.id, triggerEvents: [{ category: 'ChatStatus' }], ...part },
    });
    expect([answer.status, ...pointers(answer)]).toEqual([400, expected]);
  });
});

describe('what is in use', () => {
  it('stays, and the answer names its users', async () => {
    const { path, api, fn, trigger } = await seedOrganization(world);
    const apiInUse = await call('DELETE', `${path}/registered-apis/${api.id}`);
    expect([apiInUse.status, apiInUse.body.code]).toEqual([409, 'in_use']);
    expect(apiInUse.body.errors).toEqual([expect.objectContaining({ id: fn.id, name: 'Schedule' })]);
    const functionInUse = await call('DELETE', `${path}/cloud-functions/${fn.id}`);
    expect(functionInUse.body).toMatchObject({ code: 'in_use', errors: [{ id: trigger.id, name: 'Opened' }] });
    expect((await call('DELETE', `${path}/triggers/${trigger.id}`, { ifMatch: '"9"' })).status).toBe(412);
    expect((await call('DELETE', `${path}/triggers/${trigger.id}`, { ifMatch: '"1"' })).status).toBe(204);
    expect((await call('DELETE', `${path}/cloud-functions/${fn.id}`)).status).toBe(204);
    expect((await call('DELETE', `${path}/registered-apis/${api.id}`)).status).toBe(204);
    expect((await call('DELETE', `${path}/registered-apis/${api.id}`)).status).toBe(404);
  });
});

describe('versions', () => {
  it('make a PUT without If-Match 428 and a stale one 412', async () => {
    const { path, fn, api } = await seedOrganization(world);
    const target = `${path}/cloud-functions/${fn.id}`;
    const body = { name: 'F', registeredApiId: api.id, endpointUrl: 'x' };
    expect((await call('PUT', target, { body })).status).toBe(428);
    expect((await call('PUT', target, { body, ifMatch: 'x' })).status).toBe(400);
    expect((await call('PUT', target, { body, ifMatch: 'W/"1"' })).status).toBe(412);
    expect((await call('PUT', target, { body, ifMatch: '"1"' })).etag).toBe('"2"');
    expect((await call('PUT', target, { body, ifMatch: '"1"' })).status).toBe(412);
    expect((await call('GET', target)).etag).toBe('"2"');
    expect((await call('PATCH', `/v1/organizations/${randomUUID()}`, { body: {} })).status).toBe(428);
  });

  it('let one of two simultaneous writers win', async () => {
    const { path, fn, api } = await seedOrganization(world);
    const body = { name: 'F', registeredApiId: api.id, endpointUrl: 'x' };
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => call('PUT', `${path}/cloud-functions/${fn.id}`, { body, ifMatch: '"1"' })),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array.from({ length: 7 }, () => 412)]);
  });
});

describe('lists', () => {
  it('are newest first and walked by cursor without gaps or repeats', async () => {
    const { path, api } = await seedOrganization(world);
    for (let batch = 0; batch < 3; batch++) {
      await Promise.all(
        Array.from({ length: 10 }, (_, index) =>
          call('POST', `${path}/cloud-functions`, {
            body: { name: `F${batch}-${index}`, registeredApiId: api.id, endpointUrl: 'x', enabled: index % 2 === 0 },
          }),
        ),
      );
    }
    const first = (await call('GET', `${path}/cloud-functions`)).body;
    expect(first.data).toHaveLength(25);
    const seen: { id: string; createdAt: string }[] = [];
    for (let cursor = ''; ; ) {
      const page = (await call('GET', `${path}/cloud-functions?limit=7${cursor}`)).body;
      seen.push(...page.data);
      if (page.nextCursor === null) break;
      cursor = `&cursor=${page.nextCursor as string}`;
    }
    expect(seen).toHaveLength(31);
    expect(new Set(seen.map(({ id }) => id)).size).toBe(31);
    expect(seen.map(({ createdAt }) => createdAt)).toEqual(
      seen
        .map(({ createdAt }) => createdAt)
        .sort()
        .reverse(),
    );
    expect((await call('GET', `${path}/cloud-functions?enabled=false&limit=100`)).body.data).toHaveLength(15);
    expect((await call('GET', `${path}/cloud-functions?name=F1-3`)).body.data).toHaveLength(1);
    expect(
      (await call('GET', `${path}/cloud-functions?registeredApiId=${(api.id as string).toUpperCase()}&limit=100`)).body.data,
    ).toHaveLength(31);
  });

  it.each([
    'limit=0',
    'limit=101',
    'limit=x',
    'limit=1&limit=2',
    'cursor=x',
    'cursor=',
    'colour=red',
    'enabled=maybe',
    'registeredApiId=x',
    'name=%00',
  ])('refuse ?%s', async (query) => {
    const { path } = await seedOrganization(world);
    const answer = await call('GET', `${path}/cloud-functions?${query}`);
    expect([answer.status, answer.headers.get('content-type')]).toEqual([400, 'application/problem+json; charset=utf-8']);
  });

  it.each([
    ['0000-01-01T00:00:00Z', 400],
    ['2026-01-01T00:00:00+23:59', 200],
  ])('take a forged cursor at %s for what it says', async (createdAt, status) => {
    const { orgId, path } = await seedOrganization(world);
    const cursor = listCursor('triggers', { orgId }, z.unknown()).encode({ createdAt, id: randomUUID() });
    expect((await call('GET', `${path}/triggers?cursor=${cursor}`)).status).toBe(status);
  });

  it('refuse the cursor of another list and of other filters', async () => {
    const { path } = await seedOrganization(world);
    const create = async (list: string, body: object) => expect((await call('POST', `${path}/${list}`, { body })).status).toBe(201);
    await create('registered-apis', { name: 'Second', baseUrl: 'https://second.example.com' });
    await create('access-tokens', { name: 'First', scopes: ['triggers:read'], expiresAt: null });
    await create('access-tokens', { name: 'Second', scopes: ['triggers:read'], expiresAt: null });
    for (const [list, other] of [
      ['registered-apis', 'cloud-functions'],
      ['registered-apis', 'triggers'],
      ['registered-apis', 'access-tokens'],
      ['access-tokens', 'registered-apis'],
    ]) {
      const { nextCursor } = (await call('GET', `${path}/${list}?limit=1`)).body;
      expect((await call('GET', `${path}/${list}?cursor=${nextCursor}`)).status).toBe(200);
      const refused = { status: 400, body: { code: 'invalid_cursor', errors: [{ pointer: 'cursor' }] } };
      expect(await call('GET', `${path}/${other}?cursor=${nextCursor}`)).toMatchObject(refused);
      expect(await call('GET', `${path}/${list}?name=Second&cursor=${nextCursor}`)).toMatchObject(refused);
    }
  });
});

describe('a query parameter on one resource', () => {
  it('is refused, and nothing is written', async () => {
    const { path, trigger } = await seedOrganization(world);
    const one = `${path}/triggers/${trigger.id as string}`;
    for (const method of ['GET', 'DELETE']) {
      const answer = await call(method, `${one}?force=true`);
      expect([answer.status, pointers(answer)]).toEqual([400, ['force unknown_key']]);
    }
    expect((await call('GET', one)).status).toBe(200);
  });
});

describe('access tokens', () => {
  it('are shown once, carry prefix and checksum, and work until revoked', async () => {
    const { path } = await seedOrganization(world);
    const made = await call('POST', `${path}/access-tokens`, {
      body: { name: 'CI', scopes: ['cloud-functions:read', 'access-tokens:read'] },
    });
    expect(made.status).toBe(201);
    expect(made.body).toMatchObject({
      name: 'CI',
      expiresAt: null,
      lastUsedAt: null,
      token: expect.stringMatching(/^cf_[0-9A-Za-z]{32,}_[0-9A-Za-z]{6}$/),
    });
    const { token, ...rest } = made.body;
    const read = await call('GET', `${path}/access-tokens/${made.body.id}`, { token });
    expect(read.body).toEqual({ ...rest, lastUsedAt: read.body.lastUsedAt });
    expect(JSON.stringify((await call('GET', `${path}/access-tokens`)).body)).not.toContain(token);
    expect((await call('GET', `${path}/cloud-functions`, { token })).status).toBe(200);
    const forbidden = await call('POST', `${path}/cloud-functions`, { token, body: {} });
    expect([forbidden.status, forbidden.body.code]).toEqual([403, 'missing_scope']);
    expect((await call('DELETE', `${path}/access-tokens/${made.body.id}`, { token })).status).toBe(403);
    expect((await call('DELETE', `${path}/access-tokens/${made.body.id}`)).status).toBe(204);
    await eventually(async () => expect((await call('GET', `${path}/cloud-functions`, { token })).status).toBe(401));
  });

  it('give no scope that they lack', async () => {
    const { path } = await seedOrganization(world);
    const { token } = (
      await call('POST', `${path}/access-tokens`, { body: { name: 'A', scopes: ['access-tokens:write', 'triggers:read'] } })
    ).body;
    const more = await call('POST', `${path}/access-tokens`, { token, body: { name: 'B', scopes: ['triggers:read', 'triggers:write'] } });
    expect([more.status, ...pointers(more)]).toEqual([403, '/scopes/1 missing_scope']);
    expect((await call('POST', `${path}/access-tokens`, { token, body: { name: 'B', scopes: ['triggers:read'] } })).status).toBe(201);
  });

  it('make none that outlives them', async () => {
    const { path } = await seedOrganization(world);
    const make = async (expiresAt: string | null, token?: string) =>
      call('POST', `${path}/access-tokens`, { ...(token !== undefined && { token }), body: { name: 'A', scopes, expiresAt } });
    const scopes = ['access-tokens:write'];
    const [earlier, end, later] = ['2098-01-01T00:00:00.000Z', '2099-01-01T00:00:00.000Z', '2099-01-01T00:00:00.001Z'];
    const parent = (await make(end)).body;
    for (const [wanted, given] of [
      [null, end],
      [end, end],
      [earlier, earlier],
    ] as const)
      expect(await make(wanted, parent.token)).toMatchObject({ status: 201, body: { expiresAt: given, parentId: parent.id } });
    const refused = await make(later, parent.token);
    expect([refused.status, refused.body.code, ...pointers(refused)]).toEqual([403, 'outlives_parent', '/expiresAt outlives_parent']);
    const endless = (await make(null)).body;
    expect(endless).toMatchObject({ expiresAt: null, parentId: null });
    expect((await make(null, endless.token)).body).toMatchObject({ expiresAt: null, parentId: endless.id });
  });

  it('are revoked with whatever token made them, and with no other', async () => {
    const { path } = await seedOrganization(world);
    const make = async (name: string, token?: string) =>
      (
        await call('POST', `${path}/access-tokens`, {
          ...(token !== undefined && { token }),
          body: { name, scopes: ['access-tokens:write', 'access-tokens:read'] },
        })
      ).body;
    const parent = await make('parent');
    const child = await make('child', parent.token);
    const sibling = await make('sibling', parent.token);
    const grandchild = await make('grandchild', child.token);
    const statusWith = async ({ token }: { token: string }) => (await call('GET', `${path}/access-tokens`, { token })).status;
    expect((await call('DELETE', `${path}/access-tokens/${child.id}`)).status).toBe(204);
    await eventually(async () => expect([await statusWith(child), await statusWith(grandchild)]).toEqual([401, 401]));
    expect([await statusWith(parent), await statusWith(sibling)]).toEqual([200, 200]);
    expect((await call('DELETE', `${path}/access-tokens/${parent.id}`)).status).toBe(204);
    await eventually(async () => expect([await statusWith(parent), await statusWith(sibling)]).toEqual([401, 401]));
    expect((await call('GET', `${path}/access-tokens`)).body.data).toEqual([]);
    const { data } = (await call('GET', `${path}/audit-log?action=access-token.deleted`)).body;
    expect(data.map(({ subject }: { subject: { id: string } }) => subject.id)).toEqual(
      expect.arrayContaining([parent.id, child.id, sibling.id, grandchild.id]),
    );
  });

  it.each([
    [{ scopes: [] }, '/scopes too_small'],
    [{ scopes: ['all'] }, '/scopes/0 invalid_value'],
    [{ scopes: ['triggers:read', 'triggers:read'] }, '/scopes duplicate'],
    [{ expiresAt: '2020-01-01T00:00:00Z' }, '/expiresAt not_in_future'],
    [{ expiresAt: 'tomorrow' }, '/expiresAt invalid_format'],
  ])('refuse %j', async (part, expected) => {
    const { path } = await seedOrganization(world);
    const answer = await call('POST', `${path}/access-tokens`, { body: { name: 'A', scopes: ['triggers:read'], ...part } });
    expect([answer.status, ...pointers(answer)]).toEqual([400, expected]);
  });

  it('that expired are 401', async () => {
    const { path } = await seedOrganization(world);
    const expiresAt = new Date(Date.now() + 1_000).toISOString();
    const { token, expiresAt: answered } = (
      await call('POST', `${path}/access-tokens`, { body: { name: 'A', scopes: ['triggers:read'], expiresAt } })
    ).body;
    expect(answered).toBe(expiresAt);
    expect((await call('GET', `${path}/triggers`, { token })).status).toBe(200);
    await eventually(async () => expect((await call('GET', `${path}/triggers`, { token })).status).toBe(401));
  });
});

describe('the event catalog', () => {
  it('describes every category with its types, filters, operators, schemas and examples', async () => {
    const { path } = await seedOrganization(world);
    const { data } = (await call('GET', `${path}/event-catalog`)).body;
    expect(data).toHaveLength(6);
    const subscriptions = data.find(({ category }: { category: string }) => category === 'Subscriptions');
    expect(subscriptions).toMatchObject({
      label: 'Subscriptions',
      operators: ['matches', 'doesNotMatch'],
      filterProperties: [
        { property: 'EventType', comparesWith: 'type' },
        { property: 'PhoneNumber', comparesWith: 'phoneNumberId' },
      ],
    });
    expect(subscriptions.types[0]).toMatchObject({ type: 'SmsSubscribed', schema: { type: 'object' }, example: { type: 'SmsSubscribed' } });
    expect((await call('GET', `${path}/event-catalog?x=1`)).status).toBe(400);
  });
});
