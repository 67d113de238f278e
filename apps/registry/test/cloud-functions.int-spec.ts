/** Signing, pausing and circuit resets of cloud functions, over HTTP on a real Postgres. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { CloudFunction } from '@cf/contract';
import { type Registry, type RegistryWorld, seedOrganization, startWorld } from './registry-fixture.js';

let world: RegistryWorld;
let call: Registry['call'];
beforeAll(async () => {
  world = await startWorld();
  call = world.call;
});
afterAll(() => world.end());

const published = async (id: string): Promise<{ version: number; fn: CloudFunction }> => {
  const [last] = (await world.log.changesOf(id)).slice(-1);
  if (last?.type !== 'cloud-function' || last.resource === null) throw new Error('nothing was published');
  return { version: last.version, fn: last.resource };
};

describe('signing', () => {
  it('rotates its secret with two of them alive, and answers neither', async () => {
    const { path, api } = await seedOrganization(world);
    const body = { name: 'F', registeredApiId: api.id, endpointUrl: 'x' };
    const made = await call('POST', `${path}/cloud-functions`, { body: { ...body, signing: { enabled: true, secret: 'hidden-1' } } });
    expect(made.body.signing).toEqual({ enabled: true, scheme: 'medchat', secret: { isSet: true }, previousExpiresAt: null });
    const target = `${path}/cloud-functions/${made.body.id as string}`;
    const put = await call('PUT', target, { body: { ...body, signing: { enabled: true, secret: 'hidden-2' } }, ifMatch: made.etag });
    const expiresAt = put.body.signing.previousExpiresAt as string;
    expect(Date.parse(expiresAt) - Date.parse(put.body.updatedAt)).toBe(24 * 3_600_000);
    expect(JSON.stringify(put.body)).not.toContain('hidden');

    const { fn } = await published(made.body.id);
    const open = (sealed = ''): string => world.keyRing.open(sealed, `${fn.orgId}:${fn.id}`);
    expect([open(fn.signing.sealedSecret ?? ''), open(fn.signing.previous?.sealedSecret)]).toEqual(['hidden-2', 'hidden-1']);
    expect(fn.signing.previous?.expiresAt).toBe(expiresAt);

    const echoed = await call('PUT', target, { body: { ...body, signing: put.body.signing }, ifMatch: put.etag });
    expect([echoed.status, echoed.body.signing]).toEqual([200, put.body.signing]);
    const ended = await call('PUT', target, { body: { ...body, signing: { enabled: true, keepPreviousMs: 0 } }, ifMatch: '*' });
    expect(ended.body.signing.previousExpiresAt).toBeNull();
    expect((await published(made.body.id)).fn.signing.previous).toBeNull();
  });

  it.each([
    [{ scheme: 'standard-webhooks', secret: 'x' }, '/signing/secret invalid_secret'],
    [{ scheme: 'hmac', secret: 'x' }, '/signing/scheme invalid_value'],
    [{ secret: 'x', keepPreviousMs: -1 }, '/signing/keepPreviousMs too_small'],
    [{ secret: 'x', keepPreviousMs: 604_800_001 }, '/signing/keepPreviousMs too_big'],
  ])('refuses %j', async (part, expected) => {
    const { path, api } = await seedOrganization(world);
    const body = { name: 'F', registeredApiId: api.id, endpointUrl: 'x', signing: { enabled: true, ...part } };
    const { status, body: problem } = await call('POST', `${path}/cloud-functions`, { body });
    const [error] = problem.errors as { pointer: string; code: string }[];
    expect([status, `${error?.pointer} ${error?.code}`]).toEqual([400, expected]);
  });
});

describe('triggers of a function', () => {
  it('are paused and resumed, told to everybody, and a PUT leaves them as they are', async () => {
    const { path, fn, api } = await seedOrganization(world);
    const target = `${path}/cloud-functions/${fn.id as string}`;
    expect(fn).toMatchObject({ triggersPaused: false, circuitResetAt: null });
    const paused = await call('POST', `${target}/pause`);
    expect([paused.status, paused.etag, paused.body.triggersPaused]).toEqual([200, '"2"', true]);
    expect(await published(fn.id)).toMatchObject({ version: 2, fn: { triggersPaused: true } });
    const again = await call('POST', `${target}/pause`);
    expect([again.status, again.etag, again.body]).toEqual([200, '"2"', paused.body]);

    const put = await call('PUT', target, { body: { name: 'F', registeredApiId: api.id, endpointUrl: 'x' }, ifMatch: '"2"' });
    expect([put.status, put.body.triggersPaused]).toEqual([200, true]);
    const resumed = await call('POST', `${target}/resume`);
    expect([resumed.etag, resumed.body.triggersPaused]).toEqual(['"4"', false]);
    expect(await published(fn.id)).toMatchObject({ version: 4, fn: { triggersPaused: false } });
    expect((await call('POST', `${target}/resume`)).etag).toBe('"4"');
  });

  it('are nobody else’s to pause, and need the scope to write', async () => {
    const [mine, other] = [await seedOrganization(world), await seedOrganization(world)];
    const { token } = (await call('POST', `${mine.path}/access-tokens`, { body: { name: 'A', scopes: ['cloud-functions:read'] } })).body;
    for (const action of ['pause', 'resume', 'circuit-reset']) {
      expect((await call('POST', `${mine.path}/cloud-functions/${other.fn.id as string}/${action}`)).status).toBe(404);
      expect((await call('POST', `${mine.path}/cloud-functions/${mine.fn.id as string}/${action}`, { token })).status).toBe(403);
    }
    expect((await published(other.fn.id)).version).toBe(1);
  });
});

describe('a circuit reset', () => {
  it('is a change with its time, each time', async () => {
    const { path, fn } = await seedOrganization(world);
    const target = `${path}/cloud-functions/${fn.id as string}`;
    const before = Date.now();
    const reset = await call('POST', `${target}/circuit-reset`);
    expect([reset.status, reset.etag]).toEqual([200, '"2"']);
    expect(Date.parse(reset.body.circuitResetAt)).toBeGreaterThanOrEqual(before);
    expect((await published(fn.id)).fn.circuitResetAt).toBe(reset.body.circuitResetAt);
    expect((await call('POST', `${target}/circuit-reset`)).etag).toBe('"3"');
    expect((await call('GET', target)).body.circuitResetAt >= reset.body.circuitResetAt).toBe(true);
  });
});
