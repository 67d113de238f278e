import { createHash, randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Controller, Get, Module, UseGuards } from '@nestjs/common';
import { type RegistryChange, registryChanges, registryTriggers, type Scope, type TriggerChange } from '@cf/contract';
import { EmbeddedLog, MemoryStorage } from '@cf/messaging';
import { createLogger, readPlatform, runApplication, type RunningApplication } from '@cf/service-kit';
import { eventually } from '@cf/testing';
import {
  CurrentPrincipal,
  OperatorGuard,
  type Principal,
  RegistryCache,
  RegistryCacheModule,
  RequireScope,
  TenantGuard,
} from '../src/index.js';

@Controller('v1/orgs/:orgId/things')
@UseGuards(TenantGuard)
class ThingsController {
  @Get()
  @RequireScope('triggers:read')
  list(@CurrentPrincipal() principal: Principal): Principal {
    return principal;
  }
  @Get('bodies')
  @RequireScope('executions:reveal')
  reveal(): object {
    return {};
  }
}

@Controller('v1/everything')
@UseGuards(OperatorGuard)
class EverythingController {
  @Get()
  list(): object {
    return {};
  }
}

@Module({ imports: [RegistryCacheModule.forRoot({ triggers: true })], controllers: [ThingsController, EverythingController] })
class ThingsModule {}

const OPERATOR_TOKEN = 'operator-token-of-this-test';

describe('the registry cache', () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'cf-cache-'));
  const storage = new MemoryStorage();
  let log: EmbeddedLog;
  let running: RunningApplication;
  let cache: RegistryCache;

  const publish = async (change: RegistryChange | TriggerChange | { id: string; gone: true }): Promise<void> => {
    const publisher = log.createPublisher('registry', 'trigger');
    const topic = 'type' in change && change.type === 'trigger' ? registryTriggers.name : registryChanges.name;
    await publisher.publish({ topic, key: change.id, value: 'gone' in change ? null : JSON.stringify(change) });
    await publisher.close();
  };
  const organization = (id: string, version: number, name = 'Clinic'): RegistryChange => ({
    type: 'organization',
    id,
    version,
    deleted: false,
    resource: { id, name, cloudFunctionsEnabled: true, retentionDays: 30 },
  });
  const publishToken = async (orgId: string, token: string, scopes: Scope[], expiresAt: string | null = null): Promise<string> => {
    const id = randomUUID();
    const hash = createHash('sha256').update(token).digest('hex');
    await publish({ type: 'access-token', id, version: 1, deleted: false, resource: { id, orgId, name: 'T', hash, scopes, expiresAt } });
    return id;
  };
  const get = async (path: string, token?: string) => {
    const answer = await fetch(`${running.address}${path}`, token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } });
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
  };

  beforeAll(async () => {
    log = new EmbeddedLog(storage);
    await log.start();
    await log.ensureTopics(
      [registryChanges, registryTriggers].map(({ name }) => ({
        name,
        partitions: 1,
        cleanup: 'compact',
        retentionMs: null,
        messageBytesMax: 2 ** 21,
      })),
    );
    const platform = readPlatform({ port: 0, needs: 'nothing' }, { NODE_ENV: 'test', DATA_DIR: dataDir, OPERATOR_TOKEN });
    running = await runApplication([ThingsModule], platform, log, createLogger('test', 'silent'));
    cache = running.app.get(RegistryCache);
  });
  afterAll(async () => {
    await running?.stop();
    await log?.close();
    rmSync(dataDir, { recursive: true });
  });

  it('knows after caughtUp whatever was acknowledged before, ids in either case', async () => {
    const id = randomUUID();
    await publish(organization(id, 1));
    const position = await cache.caughtUp();
    expect(cache.organization(id.toUpperCase())).toMatchObject({ name: 'Clinic' });
    expect(position).toBe((await log.endOffsets(registryChanges.name))[0]);
  });

  it('never goes back in version, forgets what was deleted and outlives a record that it cannot read', async () => {
    const id = randomUUID();
    await publish(organization(id, 5, 'new'));
    await publish(organization(id, 4, 'old'));
    await cache.caughtUp();
    expect(cache.organization(id)?.name).toBe('new');
    await publish({ id, type: 'organization', version: 6, deleted: true, resource: null });
    await publish(organization(id, 5, 'new'));
    await publish({ ...organization(randomUUID(), 1), version: 0 } as RegistryChange);
    await cache.caughtUp();
    expect(cache.organization(id)).toBeUndefined();
    expect(cache.versionOf(id)).toBe(6);
  });

  it('files triggers by organization and category, and only enabled ones', async () => {
    const [orgId, id] = [randomUUID(), randomUUID()];
    const trigger = (version: number, enabled: boolean): TriggerChange =>
      ({
        ...registryTriggers.example,
        id,
        version,
        deleted: false,
        resource: { ...registryTriggers.example.resource, id, orgId, enabled } as NonNullable<TriggerChange['resource']>,
      }) as TriggerChange;
    await publish(trigger(1, true));
    await cache.caughtUp();
    expect(cache.triggersOf(orgId.toUpperCase(), 'ChatStatus').map((found) => found.id)).toEqual([id]);
    expect(cache.triggersOf(orgId, 'MessagePosted')).toEqual([]);
    expect(cache.triggersOf(randomUUID(), 'ChatStatus')).toEqual([]);
    expect(cache.trigger(randomUUID(), id)).toBeUndefined();
    await publish(trigger(2, false));
    await cache.caughtUp();
    expect(cache.triggersOf(orgId, 'ChatStatus')).toEqual([]);
    expect(cache.trigger(orgId, id)).toBeDefined();
  });

  describe('guards', () => {
    const [orgId, otherOrgId] = [randomUUID(), randomUUID()];
    const path = `/v1/orgs/${orgId}/things`;

    beforeAll(async () => {
      await publish(organization(orgId, 1));
      await publish(organization(otherOrgId, 1));
      await publishToken(orgId, 'mine', ['triggers:read']);
      await publishToken(orgId, 'weak', ['triggers:write']);
      await publishToken(orgId, 'expired', ['triggers:read'], '2020-01-01T00:00:00.000Z');
      await publishToken(otherOrgId, 'theirs', ['triggers:read']);
    });

    it.each([
      ['no token', undefined, 401],
      ['an unknown token', 'nobody', 401],
      ['an expired token', 'expired', 401],
      ['a token without the scope', 'weak', 403],
      ['a token of another organization', 'theirs', 404],
      ['a token with the scope', 'mine', 200],
      ['an operator', OPERATOR_TOKEN, 200],
    ])('%s', async (_name, token, status) => {
      expect((await get(path, token)).status).toBe(status);
    });

    it('an operator may not reveal, has no organization to hide from, and finds no unknown one', async () => {
      expect((await get(`${path}/bodies`, OPERATOR_TOKEN)).status).toBe(403);
      expect((await get(`/v1/orgs/${randomUUID()}/things`, OPERATOR_TOKEN)).status).toBe(404);
      expect((await get('/v1/orgs/no-uuid/things', OPERATOR_TOKEN)).status).toBe(404);
      expect((await get('/v1/everything', OPERATOR_TOKEN)).status).toBe(200);
      expect((await get('/v1/everything', 'mine')).status).toBe(403);
    });

    it('a token works as soon as it is published and stops when it is revoked', async () => {
      const id = await publishToken(orgId, 'fresh', ['triggers:read']);
      expect((await get(path, 'fresh')).status).toBe(200);
      await publish({ type: 'access-token', id, version: 2, deleted: true, resource: null });
      await eventually(async () => expect((await get(path, 'fresh')).status).toBe(401));
    });
  });
});
