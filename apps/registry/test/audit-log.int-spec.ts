/** The audit log over HTTP and topics: what is in it, who may read it, and that nobody can bend it unseen. */
import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type AuditEvent, auditEvents } from '@cf/contract';
import { eventually } from '@cf/testing';
import pg from 'pg';
import { OPERATOR, type Registry, type RegistryWorld, seedOrganization, startRegistry, startWorld } from './registry-fixture.js';

interface Entry extends AuditEvent {
  readonly sequence: number;
  readonly hash: string;
}

let world: RegistryWorld;
let call: Registry['call'];
let sql: pg.Pool;
beforeAll(async () => {
  world = await startWorld();
  call = world.call;
  sql = new pg.Pool({ connectionString: world.database.url, max: 2 });
});
afterAll(async () => {
  await sql.end();
  await world.end();
});

const entriesOf = async (path: string, query = ''): Promise<Entry[]> => {
  const { status, body } = await call('GET', `${path}/audit-log?limit=100${query}`);
  expect(status).toBe(200);
  return body.data;
};
const verify = async (path: string, query = ''): Promise<Record<string, unknown>> =>
  (await call('GET', `${path}/audit-log/verification${query}`)).body;
const publish = (event: AuditEvent): Promise<void> =>
  world.log.publish({ topic: auditEvents.name, key: auditEvents.key(event), value: JSON.stringify(event) });
const eventOf = (orgId: string | null, fields: Partial<AuditEvent> = {}): AuditEvent => ({
  ...auditEvents.example,
  id: randomUUID(),
  orgId,
  ...fields,
});
/** The owner of the tables, with the trigger out of the way. */
const behindItsBack = async (statement: string, params: unknown[]): Promise<void> => {
  await sql.query('ALTER TABLE registry.audit_log DISABLE TRIGGER audit_log_only_grows');
  await sql.query(statement, params);
  await sql.query('ALTER TABLE registry.audit_log ENABLE TRIGGER audit_log_only_grows');
};

describe('what the registry itself does', () => {
  it('is told with who did it and the names of the fields, and no secret is in it', async () => {
    const { path, orgId } = await seedOrganization(world);
    const scopes = ['registered-apis:write', 'registered-apis:read'];
    const { token, id: tokenId } = (await call('POST', `${path}/access-tokens`, { body: { name: 'CRM', scopes } })).body;
    const secret = `marked-${randomUUID()}`;
    const body = { name: 'A', baseUrl: 'https://a.example.com', authorization: { type: 'BearerToken', token: secret } };
    const api = await call('POST', `${path}/registered-apis`, { body, token });
    const apiPath = `${path}/registered-apis/${api.body.id as string}`;
    await call('PUT', apiPath, { body: { ...body, name: 'B' }, token, ifMatch: api.etag });
    await call('DELETE', apiPath, { token });
    const organization = await call('GET', `/v1/organizations/${orgId}`);
    await call('PATCH', `/v1/organizations/${orgId}`, { body: { cloudFunctionsEnabled: false }, ifMatch: organization.etag });
    const told = (await entriesOf(path)).filter(({ action }) => action !== 'access-token.used').toReversed();
    const crm = { type: 'access-token', id: tokenId, name: 'CRM' };
    const operator = { type: 'operator', id: null, name: null };
    const about = (action: string, actor: object, details: object) =>
      expect.objectContaining({ orgId, action, actor, outcome: 'done', details });
    expect(told).toEqual([
      about('organization.created', operator, expect.anything()),
      about('registered-api.created', operator, { name: 'Scheduler' }),
      about('cloud-function.created', operator, { name: 'Schedule' }),
      about('trigger.created', operator, { name: 'Opened' }),
      about('access-token.created', operator, { name: 'CRM' }),
      about('registered-api.created', crm, { name: 'A' }),
      about('registered-api.updated', crm, { name: 'B', fields: ['name', 'authorization'] }),
      about('registered-api.deleted', crm, { name: 'B' }),
      about('organization.updated', operator, expect.objectContaining({ fields: ['cloudFunctionsEnabled'] })),
    ]);
    expect(await verify(path)).toMatchObject({ valid: true });
    const { rows } = await sql.query('SELECT entry::text FROM registry.audit_log');
    expect(JSON.stringify(rows)).not.toContain(secret);
  });

  it('is not told when it was refused', async () => {
    const { path, api } = await seedOrganization(world);
    expect((await call('DELETE', `${path}/registered-apis/${api.id as string}`)).status).toBe(409);
    expect(await entriesOf(path, '&action=registered-api.deleted')).toEqual([]);
  });

  it('has one chain however many write at once, through two registries and the topic', async () => {
    const { path, orgId } = await seedOrganization(world);
    const other = await startRegistry(world.database, world.log.log);
    const body = { name: 'A', baseUrl: 'https://a.example.com' };
    await Promise.all([
      ...Array.from({ length: 10 }, () => call('POST', `${path}/registered-apis`, { body })),
      ...Array.from({ length: 10 }, () => other.call('POST', `${path}/registered-apis`, { body })),
      ...Array.from({ length: 10 }, () => publish(eventOf(orgId))),
    ]);
    await eventually(async () => expect(await entriesOf(path)).toHaveLength(34));
    expect(await verify(path)).toMatchObject({ valid: true, head: { sequence: 34 }, brokenAt: null });
    await other.stop();
  });
});

describe('what other services tell', () => {
  it('is stored once, in the chain of its organization', async () => {
    const { path, orgId } = await seedOrganization(world);
    const { path: otherPath } = await seedOrganization(world);
    const event = eventOf(orgId.toUpperCase(), { action: 'execution.revealed' });
    const last = eventOf(orgId, { action: 'execution.cancelled' });
    for (const sent of [event, event, { ...event, id: event.id.toUpperCase() }, last]) await publish(sent);
    await eventually(async () => expect((await entriesOf(path))[0]).toMatchObject({ id: last.id }));
    expect(await entriesOf(path, '&action=execution.revealed')).toMatchObject([{ ...event, orgId, id: event.id }]);
    expect(await entriesOf(otherPath, '&action=execution.revealed')).toEqual([]);
  });

  it('keeps one use of a token an hour, and the time of the last one at the token', async () => {
    const { path, orgId } = await seedOrganization(world);
    const { id, token, lastUsedAt } = (await call('POST', `${path}/access-tokens`, { body: { name: 'CRM', scopes: ['triggers:read'] } }))
      .body;
    expect(lastUsedAt).toBeNull();
    const tokenPath = `${path}/access-tokens/${id as string}`;
    const { etag } = await call('GET', tokenPath);
    await call('GET', `${path}/triggers`, { token });
    await eventually(async () => expect((await call('GET', tokenPath)).body.lastUsedAt).not.toBeNull());
    const [use] = await entriesOf(path, '&action=access-token.used');
    expect(use).toMatchObject({ actor: { id, name: 'CRM' }, subject: { type: 'access-token', id } });
    const told = (minutes: number): AuditEvent => {
      const { id: eventId, actor, action, outcome, subject, details } = use as Entry;
      return {
        id: eventId,
        orgId,
        actor,
        action,
        outcome,
        subject,
        details,
        at: new Date(Date.parse(use!.at) + minutes * 60_000).toISOString(),
      };
    };
    await publish(told(20));
    await publish(told(10));
    await publish(eventOf(orgId, { action: 'marker' }));
    await eventually(async () => expect(await entriesOf(path, '&action=marker')).toHaveLength(1));
    const after = await call('GET', tokenPath);
    expect(after.body.lastUsedAt).toBe(told(20).at);
    expect(after.etag).toBe(etag);
    expect(await entriesOf(path, '&action=access-token.used')).toEqual([use]);
  });

  it('goes into the operators’ chain when it concerns no organization', async () => {
    const event = eventOf(null, { action: 'key-ring.rotated', actor: { type: 'system', id: null, name: 'registry' } });
    await publish(event);
    await eventually(async () => expect((await entriesOf('/v1'))[0]).toMatchObject(event));
    expect(await verify('/v1')).toMatchObject({ valid: true });
    const { path } = await seedOrganization(world);
    const { token } = (await call('POST', `${path}/access-tokens`, { body: { name: 'All', scopes: ['audit-log:read'] } })).body;
    expect((await call('GET', '/v1/audit-log', { token })).status).toBe(403);
  });
});

describe('reading', () => {
  it('filters, pages newest first, and refuses what it does not know', async () => {
    const { path, orgId } = await seedOrganization(world);
    const tokenId = randomUUID();
    const executionId = randomUUID();
    const actor = { type: 'access-token' as const, id: tokenId, name: 'N' };
    const subject = { type: 'execution', id: executionId };
    for (const hour of [1, 2, 3])
      await publish(eventOf(orgId, { at: `2026-01-01T0${hour}:00:00.000Z`, action: 'execution.retried', actor, subject }));
    await publish(eventOf(orgId, { at: '2026-01-01T04:00:00.000Z', action: 'access.refused', outcome: 'refused', actor }));
    await eventually(async () => expect(await entriesOf(path, `&actor=${tokenId.toUpperCase()}`)).toHaveLength(4));
    const hours = async (query: string) => (await entriesOf(path, query)).map(({ at }) => Number(at.slice(11, 13)));
    expect(await hours('&action=execution.retried')).toEqual([3, 2, 1]);
    expect(await hours('&outcome=refused')).toEqual([4]);
    expect(await hours(`&subjectType=execution&subjectId=${executionId}`)).toEqual([3, 2, 1]);
    expect(await hours(`&at[gte]=2026-01-01T02:00:00Z&at[lt]=2026-01-01T05:00:00%2B01:00`)).toEqual([3, 2]);
    expect(await entriesOf(path, '&actor=operator')).toHaveLength(4);

    const paged: number[] = [];
    for (let cursor: string | null = ''; cursor !== null; ) {
      const { body } = await call('GET', `${path}/audit-log?limit=3${cursor === '' ? '' : `&cursor=${cursor}`}`);
      paged.push(...body.data.map(({ sequence }: Entry) => sequence));
      cursor = body.nextCursor;
    }
    expect(paged).toEqual([8, 7, 6, 5, 4, 3, 2, 1]);
    for (const query of ['limit=101', 'cursor=x', 'action[gte]=a', 'who=me', 'at[gte]=today', 'outcome=maybe'])
      expect(await call('GET', `${path}/audit-log?${query}`)).toMatchObject({ status: 400 });
    for (const rest of ['export?limit=1', 'verification?head=12', 'verification?at=1'])
      expect(await call('GET', `${path}/audit-log/${rest}`)).toMatchObject({ status: 400 });
  });

  it('exports lines that anybody can verify offline, from the first to the head', async () => {
    const { path } = await seedOrganization(world);
    const answer = await fetch(`${world.address}${path}/audit-log/export`, { headers: { authorization: `Bearer ${OPERATOR}` } });
    expect(answer.headers.get('content-type')).toBe('application/x-ndjson');
    const script = join(import.meta.dirname, '../../../tools/verify-audit-log.ts');
    const verifying = spawnSync(process.execPath, [script], { input: await answer.text(), encoding: 'utf8' });
    const { head } = (await verify(path)) as { head: { sequence: number; hash: string } };
    expect(head.sequence).toBe(4);
    expect(verifying.stdout).toBe(`whole: 4 entries, head 4:${head.hash}\n`);
  });

  it('needs its scope, and shows nothing of another organization', async () => {
    const [mine, theirs] = await Promise.all([seedOrganization(world), seedOrganization(world)]);
    const tokenOf = async (scopes: string[]) =>
      (await call('POST', `${mine.path}/access-tokens`, { body: { name: 'T', scopes } })).body.token;
    const [reader, stranger] = [await tokenOf(['audit-log:read']), await tokenOf(['triggers:read'])];
    for (const rest of ['', '/export', '/verification']) {
      expect((await call('GET', `${mine.path}/audit-log${rest}`, { token: stranger })).status).toBe(403);
      expect((await call('GET', `${theirs.path}/audit-log${rest}`, { token: reader })).status).toBe(404);
    }
    const { body } = await call('GET', `${mine.path}/audit-log?limit=100`, { token: reader });
    expect(new Set(body.data.map(({ orgId }: Entry) => orgId))).toEqual(new Set([mine.orgId]));
  });
});

describe('tampering', () => {
  const chain = async () => {
    const seeded = await seedOrganization(world);
    await eventually(async () => expect(await verify(seeded.path)).toMatchObject({ valid: true, head: { sequence: 4 } }));
    return seeded;
  };
  const noted = async (path: string) => {
    const { head } = (await verify(path)) as { head: { sequence: number; hash: string } };
    return `?head=${head.sequence}:${head.hash}`;
  };

  it.each(['cf_tenant', 'cf_system'])('is not in the power of %s', async (role) => {
    const { orgId } = await chain();
    for (const statement of [
      `UPDATE registry.audit_log SET hash = ''`,
      'DELETE FROM registry.audit_log',
      'DELETE FROM registry.audit_chains',
    ]) {
      const client = await sql.connect();
      await client.query(`SET ROLE ${role}`);
      await client.query(`SELECT set_config('cf.org_id', $1, false)`, [orgId]);
      await expect(client.query(statement)).rejects.toThrow('permission denied');
      client.release(true);
    }
  });

  it('takes even the owner of the tables a step that is made on purpose', async () => {
    for (const statement of [`UPDATE registry.audit_log SET hash = ''`, 'DELETE FROM registry.audit_log', 'TRUNCATE registry.audit_log'])
      await expect(sql.query(statement)).rejects.toThrow('the audit log only grows');
  });

  it('with an entry is found at that entry', async () => {
    const { path, orgId } = await chain();
    await behindItsBack(
      `UPDATE registry.audit_log SET entry = replace(entry::text, '"done"', '"refused"')::json WHERE org_id = $1 AND sequence = 2`,
      [orgId],
    );
    expect(await verify(path)).toMatchObject({ valid: false, head: { sequence: 1 }, brokenAt: 2, reason: 'changed_entry' });
  });

  it('by leaving an entry out is found at that entry', async () => {
    const { path, orgId } = await chain();
    await behindItsBack('DELETE FROM registry.audit_log WHERE org_id = $1 AND sequence = 3', [orgId]);
    expect(await verify(path)).toMatchObject({ valid: false, brokenAt: 3, reason: 'missing_entry' });
  });

  it('by cutting off the end is found by the head, and by a noted head when that was set back too', async () => {
    const { path, orgId } = await chain();
    const head = await noted(path);
    await behindItsBack('DELETE FROM registry.audit_log WHERE org_id = $1 AND sequence = 4', [orgId]);
    expect(await verify(path)).toMatchObject({ valid: false, brokenAt: 4, reason: 'missing_end' });
    await behindItsBack(
      `UPDATE registry.audit_chains SET (sequence, hash) = (SELECT sequence, hash FROM registry.audit_log WHERE org_id = $1 AND sequence = 3)
        WHERE org_id = $1`,
      [orgId],
    );
    expect(await verify(path)).toMatchObject({ valid: true, head: { sequence: 3 } });
    expect(await verify(path, head)).toMatchObject({ valid: false, brokenAt: 4, reason: 'missing_end' });
    await publish(eventOf(orgId));
    await eventually(async () => expect(await verify(path)).toMatchObject({ valid: true, head: { sequence: 4 } }));
    expect(await verify(path, head)).toMatchObject({ valid: false, brokenAt: 4, reason: 'other_hash' });
  });
});
