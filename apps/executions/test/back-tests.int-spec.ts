/** Real: HTTP, Postgres, the registry's topics. The decision itself is held by `match-triggers.spec.ts` of the contract. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { chatEvents, eventExample, type Trigger, triggerInvocationResults } from '@cf/contract';
import { eventually } from '@cf/testing';
import { failed, succeeded, triggerRequest } from './messages.js';
import { type Answer, RunningExecutions } from './running-executions.js';

const widgetId = chatEvents.example.widgetId!;
const filterOf = (values: string[]) => ({ property: 'Widget' as const, operator: 'matches' as const, values });

describe('a back-test of triggers', () => {
  let executions: RunningExecutions;
  let orgId: string;
  let other: string;
  const [matching, narrow, off, foreign] = [randomUUID(), randomUUID(), randomUUID(), randomUUID()];
  const elsewhere = randomUUID();
  let event: Record<string, unknown>;

  const post = (path: string, body: unknown, token?: string): Promise<Answer> =>
    executions.request('POST', `/v1/orgs/${orgId}/triggers${path}`, { body, ...(token === undefined ? {} : { token }) });

  beforeAll(async () => {
    executions = await RunningExecutions.start();
    orgId = await executions.addOrganization();
    other = await executions.addOrganization();
    event = { ...chatEvents.example, orgId };
    const chats = (values?: string[]): Trigger['triggerEvents'] => [
      { category: 'ChatStatus', filters: values === undefined ? [] : [filterOf(values)] },
    ];
    await executions.setTrigger(orgId, matching, true, { triggerEvents: chats([widgetId]) });
    await executions.setTrigger(orgId, narrow, true, { triggerEvents: chats([elsewhere]) });
    await executions.setTrigger(orgId, off, false, { triggerEvents: chats() });
    await executions.setTrigger(other, foreign, true, { triggerEvents: chats() });
  });
  afterAll(() => executions.stop());

  it('says of every enabled trigger of the category whether it takes a pasted event, and which filter does not', async () => {
    const { status, body } = await post('/back-tests', { event });
    expect(status).toBe(200);
    expect(body.data).toHaveLength(1);
    const answers = new Map(body.data[0].triggers.map((one: { triggerId: string }) => [one.triggerId, one]));
    expect([...answers.keys()].sort()).toEqual([matching, narrow].sort());
    expect(answers.get(matching)).toMatchObject({ matches: true, invokes: true });
    expect(answers.get(narrow)).toMatchObject({
      matches: false,
      invokes: false,
      triggerEvents: [
        { category: 'ChatStatus', categoryMatches: true, filters: [{ ...filterOf([elsewhere]), seen: widgetId, holds: false }] },
      ],
    });
  });

  it('tells a trigger that is off or of another category, when it is named', async () => {
    const { body } = await post('/back-tests', { event, triggerIds: [off] });
    expect(body.data[0].triggers).toMatchObject([{ triggerId: off, enabled: false, matches: true, invokes: false }]);
    const posted = await post(`/${matching}/back-tests`, { event: { ...eventExample('MessagePosted'), orgId } });
    expect(posted.body.data[0].triggers).toMatchObject([{ matches: false, triggerEvents: [{ categoryMatches: false }] }]);
  });

  it('tries a definition that is not saved', async () => {
    const drafts = [{ name: 'wider', triggerEvents: [{ category: 'ChatStatus', filters: [filterOf([elsewhere, widgetId])] }] }];
    const { body } = await post('/back-tests', { event, drafts });
    expect(body.data[0].triggers).toMatchObject([{ triggerId: null, name: 'wider', matches: true }]);
    const beside = await post(`/${narrow}/back-tests`, { event, draft: drafts[0] });
    expect(beside.body.data[0].triggers).toMatchObject([
      { triggerId: narrow, matches: false },
      { triggerId: narrow, name: 'wider', matches: true },
    ]);
  });

  it('cuts an answer that would hold too much, and says so', async () => {
    const values = (count: number) => [filterOf(Array.from({ length: count }, () => 'x'.repeat(200)))];
    const drafts = Array.from({ length: 20 }, () => ({ triggerEvents: [{ category: 'ChatStatus', filters: values(1_000) }] }));
    const { body } = await post('/back-tests', { event, drafts });
    expect(body.data).toMatchObject([{ isCut: true }]);
    expect(body.data[0].triggers).toHaveLength(19);
    const two = [{ triggerEvents: [{ category: 'ChatStatus', filters: [...values(1_000), ...values(1)] }] }];
    expect(await post('/back-tests', { event, drafts: two })).toMatchObject({
      status: 400,
      body: { errors: [{ code: 'too_many_values' }] },
    });
  });

  it('takes past events, by id or the newest ones', async () => {
    const events = Array.from({ length: 3 }, (_, number) => ({
      ...event,
      id: randomUUID(),
      widgetId: number === 1 ? elsewhere : widgetId,
    }));
    const requests = events.map((one, number) =>
      triggerRequest({
        orgId,
        triggerId: matching,
        event: { id: one.id, type: 'ChatOpened' },
        body: JSON.stringify(one),
        acceptedAt: new Date(Date.now() + number * 1_000).toISOString(),
      }),
    );
    const twin = { ...requests[0]!, invocationId: randomUUID(), triggerId: narrow };
    const long = triggerRequest({ orgId, triggerId: matching, body: JSON.stringify({ ...event, pad: 'x'.repeat(20_000) }) });
    const notification = triggerRequest({
      orgId,
      triggerId: null,
      event: { id: randomUUID(), type: 'notification.circuit_opened' },
      body: '{}',
    });
    const results = [...requests, twin, notification].map((request) => failed(request));
    await executions.publish(triggerInvocationResults, ...results, succeeded(long));
    await eventually(async () => expect(await executions.recorded()).toBe(true));
    const byId = await post('/back-tests', { eventIds: [events[1]!.id.toUpperCase()] });
    expect(byId.body.data).toMatchObject([{ event: { id: events[1]!.id }, isKept: true }]);
    expect(byId.body.data[0].triggers.find(({ triggerId }: { triggerId: string }) => triggerId === matching).matches).toBe(false);
    const newest = await post(`/${matching}/back-tests`, { last: 2 });
    expect(newest.body.data.map((one: { event: { id: string } }) => one.event.id)).toEqual([events[2]!.id, events[1]!.id]);
    expect(newest.body.data.map((one: { triggers: { matches: boolean }[] }) => one.triggers[0]!.matches)).toEqual([true, false]);
    expect((await post('/back-tests', { last: 20 })).body.data).toHaveLength(4);
    expect((await post('/back-tests', { eventIds: [long.event!.id] })).body.data).toMatchObject([{ isKept: false, triggers: [] }]);
  });

  it.each([
    ['no event at all', {}],
    ['two sources', { event: {}, last: 1 }],
    ['an unknown key', { event: {}, force: true }],
    [
      'a filter property that the category lacks',
      { last: 1, drafts: [{ triggerEvents: [{ category: 'ExternalBots', filters: [filterOf(['x'])] }] }] },
    ],
    ['an event that breaks its schema', { event: { type: 'ChatOpened' } }],
    ['an event of another organization', { event: chatEvents.example }],
    ['an event type that nobody knows', { event: 'unknown type' }],
  ])('refuses %s', async (_, body) => {
    const given = 'event' in body && body.event === 'unknown type' ? { event: { ...event, type: 'ChatReopened' } } : body;
    expect((await post('/back-tests', given)).status).toBe(400);
  });

  it('needs both scopes, and knows nothing of other organizations', async () => {
    const triggersOnly = await executions.addToken(orgId, ['triggers:read']);
    const both = await executions.addToken(orgId, ['triggers:read', 'executions:read']);
    const stranger = await executions.addToken(other, ['triggers:read', 'executions:read']);
    expect((await post('/back-tests', { event }, triggersOnly)).status).toBe(403);
    expect((await post('/back-tests', { event }, stranger)).status).toBe(404);
    expect((await post('/back-tests', { event }, both)).status).toBe(200);
    expect((await post(`/${foreign}/back-tests`, { event }, both)).status).toBe(404);
    expect((await post('/back-tests', { event, triggerIds: [foreign] }, both)).status).toBe(404);
    const { body } = await executions.request('POST', `/v1/orgs/${other}/triggers/back-tests`, { body: { last: 20 }, token: stranger });
    expect(body.data).toEqual([]);
  });
});
