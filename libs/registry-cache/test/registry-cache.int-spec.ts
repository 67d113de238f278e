import { createHash, randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Controller, Get, Module, UseGuards } from '@nestjs/common';
import {
  accessTokenText,
  type AuditEvent,
  auditEvents,
  type RegistryChange,
  registryChanges,
  registryTriggers,
  type Scope,
  type TriggerChange,
} from '@cf/contract';
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

/** A token that carries a name, so that failures can be read. */
const tokenText = (name: string): string => accessTokenText(name.padEnd(40, '0'));

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
    const hash = createHash('sha256').update(tokenText(token)).digest('hex');
    await publish({ type: 'access-token', id, version: 1, deleted: false, resource: { id, orgId, name: 'T', hash, scopes, expiresAt } });
    return id;
  };
  const getWith = async (path: string, text?: string) => {
    const answer = await fetch(`${running.address}${path}`, text === undefined ? {} : { headers: { authorization: `Bearer ${text}` } });
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
  };
  const get = (path: string, token?: string) => getWith(path, token === undefined || token === OPERATOR_TOKEN ? token : tokenText(token));

  beforeAll(async () => {
    log = new EmbeddedLog(storage);
    await log.start();
    await log.ensureTopics(
      [registryChanges, registryTriggers, auditEvents].map(({ name }) => ({
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

    const told = async (action: string): Promise<AuditEvent[]> => {
      const events: AuditEvent[] = [];
      const reader = log.read({
        topic: auditEvents.name,
        from: 'beginning',
        onRecords: (_partition, records) => events.push(...records.map(({ value }) => auditEvents.schema.parse(JSON.parse(String(value))))),
      });
      await reader.reached(await log.endOffsets(auditEvents.name), 5_000);
      await reader.close();
      return events.filter((event) => event.action === action);
    };

    it('tells a token that was mistyped or cut from its text alone', async () => {
      const caughtUp = jest.spyOn(cache, 'caughtUp');
      const mine = tokenText('mine');
      for (const text of [`${mine.slice(0, -1)}-`, mine.slice(0, -1), mine.replace('mine', 'wine'), 'cf_-'])
        expect(await getWith(path, text)).toMatchObject({ status: 401, body: { code: 'malformed_token' } });
      expect(await getWith(path, 'no-token')).toMatchObject({ status: 401, body: { code: 'unauthorized' } });
      expect(caughtUp).not.toHaveBeenCalled();
      caughtUp.mockRestore();
    });

    it('a token expires to the millisecond', async () => {
      const expiresAt = '2099-01-01T00:00:00.000Z';
      await publishToken(orgId, 'soon', ['triggers:read'], expiresAt);
      const now = jest.spyOn(Date, 'now');
      now.mockReturnValue(Date.parse(expiresAt) - 1);
      expect((await get(path, 'soon')).status).toBe(200);
      now.mockReturnValue(Date.parse(expiresAt));
      expect(await get(path, 'soon')).toMatchObject({ status: 401, body: { code: 'token_expired' } });
      now.mockRestore();
      expect((await get(path, 'soon')).status).toBe(200);
    });

    it('tells once a minute that a token is used, and names it', async () => {
      const id = await publishToken(orgId, 'used', ['triggers:read']);
      for (let times = 0; times < 5; times++) expect((await get(path, 'used')).status).toBe(200);
      const uses = async () => (await told('access-token.used')).filter(({ subject }) => subject.id === id);
      await eventually(async () => expect(await uses()).toHaveLength(1));
      expect(await uses()).toMatchObject([{ orgId, actor: { type: 'access-token', id, name: 'T' }, outcome: 'done' }]);
    });

    it('tells who was refused what, once a minute, to the caller’s own organization', async () => {
      const ids = {
        weak2: await publishToken(orgId, 'weak2', ['triggers:write']),
        theirs2: await publishToken(otherOrgId, 'theirs2', ['triggers:read']),
        expired2: await publishToken(orgId, 'expired2', ['triggers:read'], '2020-01-01T00:00:00.000Z'),
        revoked2: await publishToken(orgId, 'revoked2', ['triggers:read']),
      };
      await publish({ type: 'access-token', id: ids.revoked2, version: 2, deleted: true, resource: null });
      for (const token of [...Object.keys(ids), ...Object.keys(ids), 'stranger']) await get(path, token);
      await get('/v1/everything', 'weak2');
      const refused = async (id: string | null) => (await told('access.refused')).filter(({ actor }) => actor.id === id);
      await eventually(async () => expect(await refused(ids.weak2)).toHaveLength(2));
      const route = 'GET /v1/orgs/:orgId/things';
      const expected = (org: string | null, details: object, id = route) =>
        expect.objectContaining({ orgId: org, outcome: 'refused', subject: { type: 'route', id }, details });
      expect(await refused(ids.weak2)).toEqual([
        expected(orgId, { code: 'missing_scope', scope: 'triggers:read' }),
        expected(orgId, { code: 'operators_only' }, 'GET /v1/everything'),
      ]);
      expect(await refused(ids.theirs2)).toEqual([expected(otherOrgId, { code: 'not_found', orgId })]);
      expect(await refused(ids.expired2)).toEqual([expected(orgId, { code: 'token_expired' })]);
      expect(await refused(ids.revoked2)).toEqual([expected(orgId, { code: 'token_revoked' })]);
      const hash = createHash('sha256').update(tokenText('stranger')).digest('hex');
      expect(await refused(null)).toContainEqual(expected(null, { code: 'unauthorized', fingerprint: hash.slice(0, 12) }));
    });
  });
});
