/**
 * Two organizations with the same kinds of things, and one of them asks for what is the other's: in every documented route of the service, by
 * path, filter, body, cursor and position. Whatever it asks, the answer is the one that it gets when it names things that nobody has.
 * Real: Postgres with its row-level security, HTTP, the consumers, the claimer, the replayer. In memory: the log.
 */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { deadLetters, stepInvocationId, stepResults, triggerInvocationResults } from '@cf/contract';
import { eventually } from '@cf/testing';
import {
  type Ask,
  CURSORS,
  FILTERED,
  forOperators,
  get,
  IMPERSONAL,
  impersonal,
  type Names,
  nobodys,
  post,
  reads,
  SCOPES,
  streams,
  writes,
} from './asks-of-another.js';
import { attemptOf, failed, inMs, retrying, stepRequest, stepResultOf, succeeded, triggerRequest } from './messages.js';
import { OPERATOR_TOKEN, RunningExecutions } from './running-executions.js';
import { StreamReader } from './stream-reader.js';

interface Operation {
  readonly operationId: string;
  readonly parameters?: readonly { readonly name: string; readonly in: string }[];
}
const documented = (
  JSON.parse(readFileSync(join(import.meta.dirname, '../../../docs/api/openapi.json'), 'utf8')) as {
    paths: Record<string, Record<string, Operation>>;
  }
).paths;

/** Without what differs between any two answers. */
const alike = ({ status, body }: { status: number; body: unknown }, names: Names): string =>
  `${status} ${JSON.stringify(body ?? null)
    .replaceAll(names.text, '<text>')
    .replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, '<uuid>')
    .replace(/"traceId":"[0-9a-f]+"/g, '')
    .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, '<time>')}`;

describe('two organizations', () => {
  let executions: RunningExecutions;
  interface Organization {
    readonly orgId: string;
    readonly token: string;
    readonly names: Names;
    readonly receiver: string;
  }
  let ours: Organization;
  let theirs: Organization;
  let letters = 0;

  const send = ({ orgId }: Pick<Organization, 'orgId'>, { method, path, body }: Ask, token: string) =>
    executions.request(method, path.startsWith('/') ? path : `/v1/orgs/${orgId}/${path}`, { token, ...(body !== undefined && { body }) });
  const own = async (one: Organization, path: string) => (await send(one, get(path), one.token)).body;

  const furnish = async (): Promise<Organization> => {
    const orgId = await executions.addOrganization();
    const token = await executions.addToken(orgId, SCOPES);
    const drawn = nobodys();
    const names = { ...drawn, stepInvocationId: stepInvocationId(orgId, drawn.requestId) };
    const { cloudFunctionId, triggerId, chatId, eventId, chatBotId, stepId, stepName, requestId } = drawn;
    const receiver = randomUUID();
    await executions.setFunction(orgId, cloudFunctionId, { timeoutMs: 1_000 });
    await executions.setFunction(orgId, receiver);
    await executions.setTrigger(orgId, triggerId);
    await eventually(async () =>
      expect(
        (await send({ orgId }, { method: 'PUT', path: 'notification-webhook', body: { cloudFunctionId: receiver } }, token)).status,
      ).toBe(200),
    );
    const at = { orgId, cloudFunctionId, triggerId, chatId };
    const dead = triggerRequest({ ...at, invocationId: names.invocationId, event: { id: eventId, type: 'ChatOpened' } });
    const response = { headers: {}, body: `all about ${names.text}`, truncated: false };
    await executions.publish(triggerInvocationResults, failed(dead, { attempts: [attemptOf(dead, { httpStatus: 500, response })] }));
    const waiting = triggerRequest({ ...at, invocationId: names.waitingId });
    await executions.publish(triggerInvocationResults, retrying(waiting, inMs(3_600_000)));
    const step = stepRequest({ orgId, cloudFunctionId, chatId, invocationId: names.stepInvocationId });
    const asked = { ...step, step: { ...step.step!, requestId, chatBotId, stepId, stepName } };
    await executions.publish(stepResults, stepResultOf(asked));
    await executions.publish(triggerInvocationResults, succeeded(asked));
    await eventually(async () => {
      expect((await own({ orgId, token, names, receiver }, `executions?requestId=${requestId}&stepName=${stepName}`)).data).toHaveLength(1);
      expect((await own({ orgId, token, names, receiver }, `executions`)).data).toHaveLength(3);
      expect((await own({ orgId, token, names, receiver }, `notification-webhook/deliveries`)).data).toHaveLength(1);
    });
    // It skips the step, and so ends.
    const replay = await send({ orgId }, post('replays', { name: 'all', invocationIds: [names.stepInvocationId] }), token);
    await send({ orgId }, post('replays', { name: 'more', invocationIds: [names.stepInvocationId] }), token);
    const valueBase64 = Buffer.from(`{"orgId":"${orgId}","text":"${names.text}"`).toString('base64');
    const origin = { ...deadLetters.example.origin, offset: letters++ };
    await executions.publish(deadLetters, { ...deadLetters.example, origin, key: orgId, valueBase64 });
    const deadLetterId = await eventually(async () => {
      const { body } = await executions.get('/v1/dead-letters');
      return body.data.find(({ key }: { key: string }) => key === orgId).id;
    });
    const one = { orgId, token, receiver, names: { ...names, replayId: replay.body.id, deadLetterId } };
    await eventually(async () =>
      expect((await own(one, 'replays')).data).toMatchObject([{ status: 'completed' }, { status: 'completed' }]),
    );
    return one;
  };

  /** All that an organization has, as it sees it. */
  const belongings = async (one: Organization) => {
    const lists = await Promise.all(
      ['executions', 'replays', 'notifications', 'notification-webhook', 'notification-webhook/deliveries'].map((path) => own(one, path)),
    );
    const { rows } = await executions.sql.query('SELECT invocation_id, seq, due_at FROM executions.due WHERE org_id = $1', [one.orgId]);
    return [...lists, rows];
  };

  beforeAll(async () => {
    executions = await RunningExecutions.start({ EXECUTIONS_HEALTH_FOLD_EVERY_MS: '20', EXECUTIONS_STREAM_LOOK_EVERY_MS: '20' });
    [ours, theirs] = await Promise.all([furnish(), furnish()]);
  });
  afterAll(() => executions.stop());

  it('are asked for in every route and by every filter that there is', () => {
    const operations = executions.routes.map(({ method, path }) => {
      const operation = documented[path.replace(/:(\w+)/g, '{$1}')]?.[method.toLowerCase()];
      expect([method, path, operation === undefined]).toEqual([method, path, false]);
      return operation!;
    });
    const tried = [reads, writes, impersonal, streams, forOperators].flatMap((some) => Object.keys(some));
    expect(operations.map(({ operationId }) => operationId).toSorted()).toEqual(tried.toSorted());
    const parameters = operations
      .filter(({ operationId }) => /^executions(List|Statistics|Stream)/.test(operationId))
      .flatMap(({ parameters: given = [] }) => given.filter((each) => each.in === 'query').map(({ name }) => name));
    expect(parameters.filter((name) => !IMPERSONAL.test(name) && !(FILTERED as readonly string[]).includes(name))).toEqual([]);
  });

  it.each(Object.keys(reads))('get the same answer for the other’s things as for nobody’s: %s', async (operation) => {
    const none = nobodys();
    const [named, unnamed] = [reads[operation]!(theirs.names), reads[operation]!(none)];
    for (const [place, ask] of named.entries()) {
      const expected = alike(await send(ours, unnamed[place]!, ours.token), none);
      expect([ask, alike(await send(ours, ask, ours.token), theirs.names)]).toEqual([ask, expected]);
      // An operator may read either organization, but not one through the other.
      const asOperator = alike(await send(ours, unnamed[place]!, OPERATOR_TOKEN), none);
      expect([ask, alike(await send(ours, ask, OPERATOR_TOKEN), theirs.names)]).toEqual([ask, asOperator]);
      // Whose it is gets another one, or this would prove nothing.
      expect([ask, alike(await send(theirs, ask, theirs.token), theirs.names)]).not.toEqual([ask, expected]);
    }
  });

  it('change nothing of each other’s, and are answered as for what nobody has', async () => {
    const before = await belongings(theirs);
    const none = nobodys();
    for (const asks of Object.values(writes)) {
      const unnamed = asks(none);
      for (const [place, ask] of asks(theirs.names).entries())
        for (const token of [ours.token, OPERATOR_TOKEN])
          expect([ask, alike(await send(ours, ask, token), theirs.names)]).toEqual([
            ask,
            alike(await send(ours, unnamed[place]!, token), none),
          ]);
    }
    const eventTest = (eventId: string) =>
      post(`cloud-functions/${ours.names.cloudFunctionId}/test-invocations`, { kind: 'trigger', eventId });
    expect((await send(ours, eventTest(theirs.names.eventId), ours.token)).status).toBe(404);
    const { invocationId, waitingId } = theirs.names;
    const replay = await send(
      ours,
      post('replays', { name: 'theirs', onlyIfNotSucceeded: false, invocationIds: [invocationId, waitingId] }),
      ours.token,
    );
    await eventually(async () =>
      expect(await own(ours, `replays/${replay.body.id}`)).toMatchObject({ status: 'completed', skipped: { not_found: 2 }, enqueued: 0 }),
    );
    expect(await belongings(theirs)).toEqual(before);
    expect(executions.sent.filter(({ orgId, cloudFunctionId }) => orgId === theirs.orgId && cloudFunctionId !== theirs.receiver)).toEqual(
      [],
    );
    // What was erased here is recorded there.
    const later = triggerRequest({ orgId: theirs.orgId, cloudFunctionId: theirs.names.cloudFunctionId, chatId: theirs.names.chatId });
    await executions.publish(triggerInvocationResults, succeeded(later));
    await eventually(async () => expect((await own(theirs, `executions/${later.invocationId}`)).status).toBe('succeeded'));
  });

  it('find no way in by a path of the other, whatever is asked', async () => {
    const nowhere = { orgId: randomUUID() };
    const asks = [...Object.values(reads), ...Object.values(writes)].flatMap((of) => of(theirs.names));
    for (const ask of [...asks, ...Object.values(impersonal), ...Object.values(streams).map((path) => get(`${path}/stream`))]) {
      const refused = await send(theirs, ask, ours.token);
      expect([ask, refused.status, refused.body.code]).toEqual([ask, 404, 'not_found']);
      expect(alike(refused, theirs.names)).toBe(alike(await send(nowhere, ask, ours.token), theirs.names));
    }
    for (const ask of Object.values(forOperators))
      expect(await send(ours, ask, ours.token)).toMatchObject({ status: 403, body: { code: 'operators_only' } });
  });

  it('see in lists and answers without a name only what is their own', async () => {
    const foreign = [theirs.orgId, theirs.receiver, ...Object.values(theirs.names)];
    for (const path of ['executions', 'executions/counts', 'executions/histogram', 'notifications', 'replays', 'notification-webhook']) {
      const answer = JSON.stringify(await own(ours, path));
      expect([path, foreign.filter((id) => answer.includes(id))]).toEqual([path, []]);
    }
    const { data } = await own(ours, 'notification-webhook/deliveries');
    expect(data).toHaveLength(1);
    expect(data[0].cloudFunctionId).toBe(ours.receiver);
    const { data: counts } = await own(ours, 'executions/counts?by=status');
    const count = counts.reduce((sum: number, each: { count: number }) => sum + each.count, 0);
    expect(count).toBe((await own(ours, 'executions?limit=100')).data.length);
  });

  it.each(CURSORS)('cannot go on with a cursor of the other: %s', async (path) => {
    // A second one of each, so that there is a next page.
    await executions.setFunction(theirs.orgId, randomUUID());
    const more = triggerRequest({ orgId: theirs.orgId, cloudFunctionId: randomUUID(), triggerId: null });
    await executions.publish(triggerInvocationResults, failed(more));
    const cursor = await eventually(async () => {
      const { nextCursor } = await own(theirs, `${path}?limit=1`);
      expect(nextCursor).toEqual(expect.any(String));
      return nextCursor as string;
    });
    const next = get(`${path}?limit=1&cursor=${cursor}`);
    expect((await send(theirs, next, theirs.token)).status).toBe(200);
    for (const token of [ours.token, OPERATOR_TOKEN])
      expect(await send(ours, next, token)).toMatchObject({ status: 400, body: { code: 'invalid_cursor' } });
  });

  it.each(Object.values(streams))('cannot go on in a stream of the other: %s', async (path) => {
    const address = (one: Organization) => `${executions.addressOf(0)}/v1/orgs/${one.orgId}/${path}/stream`;
    const happen = (one: Organization) => {
      const request = triggerRequest({ orgId: one.orgId, cloudFunctionId: randomUUID(), triggerId: null });
      return executions.publish(triggerInvocationResults, failed(request));
    };
    const first = await StreamReader.open(address(theirs), { token: theirs.token });
    await happen(theirs);
    await eventually(() => expect(first.events.length).toBeGreaterThan(0));
    const stolen = first.events[0]!.id!;
    const filter = path === 'executions' ? `?chatId=${theirs.names.chatId}` : '';
    const [all, named] = [
      await StreamReader.open(address(ours), { token: ours.token, lastEventId: stolen }),
      await StreamReader.open(`${address(ours)}${filter}`, { token: ours.token, lastEventId: stolen }),
    ];
    await happen(theirs);
    await happen(ours);
    await eventually(() => expect(first.events.length).toBeGreaterThan(1));
    await eventually(() => expect(all.events.length).toBeGreaterThan(0));
    for (const { data } of [...all.events, ...named.events]) expect(data.orgId).toBe(ours.orgId);
    for (const { data } of first.events) expect(data.orgId).toBe(theirs.orgId);
    if (filter !== '') expect(named.events).toEqual([]);
    for (const reader of [first, all, named]) reader.close();
  });

  it('do not get each other’s kept answers by the same Idempotency-Key', async () => {
    const ask = (one: Organization) =>
      executions.request('POST', `/v1/orgs/${one.orgId}/replays`, {
        token: one.token,
        idempotencyKey: 'the-same',
        body: { name: 'same', invocationIds: [theirs.names.stepInvocationId] },
      });
    const [first, second] = [await ask(theirs), await ask(ours)];
    expect([first.isReplayed, second.isReplayed]).toEqual([false, false]);
    expect(second.body.id).not.toBe(first.body.id);
    expect((await ask(theirs)).isReplayed).toBe(true);
  });

  it('are kept apart by the database, whatever a statement asks', async () => {
    const client = await executions.sql.connect();
    try {
      const { rows: tables } = await client.query<{ name: string; guarded: boolean; owned: boolean; open: boolean }>(`
        SELECT relname AS name, relrowsecurity AS guarded, has_table_privilege('cf_tenant', pg_class.oid, 'SELECT') AS open,
               EXISTS (SELECT FROM pg_attribute WHERE attrelid = pg_class.oid AND attname = 'org_id' AND NOT attisdropped) AS owned
        FROM pg_class WHERE relnamespace = 'executions'::regnamespace AND relkind IN ('r', 'p')`);
      expect(tables.filter(({ guarded, open }) => open && !guarded)).toEqual([]);
      const owned = tables.filter((table) => table.owned && table.open);
      expect(owned.length).toBeGreaterThanOrEqual(12);
      for (const { name } of owned) {
        await client.query('BEGIN');
        await client.query('SET LOCAL ROLE cf_tenant');
        await client.query(`SELECT set_config('cf.org_id', $1, true)`, [ours.orgId]);
        const { rows } = await client.query(`SELECT DISTINCT org_id FROM executions.${name}`);
        expect([name, rows.filter(({ org_id: id }) => id !== ours.orgId)]).toEqual([name, []]);
        await client.query('ROLLBACK');
      }
    } finally {
      client.release();
    }
  });
});
