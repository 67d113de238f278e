/** Real: the trigger matcher and the engine of the embedded log, in memory. The spec plays the chat platform. */
import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  chatEventKey,
  chatEvents,
  deadLetters,
  triggerInvocationId,
  triggerInvocationRequests,
  triggerInvocationResults,
  type ChatEvent,
  type Trigger,
} from '@cf/contract';
import { eventually, TestService } from '@cf/testing';
import { TriggerMatcherModule } from '../src/index.js';

let service: TestService;
let orgId: string;

beforeEach(async () => {
  service = await TestService.create(TriggerMatcherModule);
  orgId = await service.addOrganization();
});
afterEach(() => service.close());

const anEvent = (over: Partial<ChatEvent> = {}): ChatEvent => ({
  ...chatEvents.example,
  id: randomUUID(),
  chatId: randomUUID(),
  orgId,
  ...over,
});
const send = (event: ChatEvent, headers: Record<string, string> = {}, text = JSON.stringify(event)) =>
  service.publishRaw(chatEvents, text, { key: chatEventKey(event), headers });
const handled = () => eventually(async () => expect(await service.hasCommitted('trigger-matcher', [chatEvents])).toBe(true));
const requests = async () => {
  await handled();
  return service.messages(triggerInvocationRequests);
};
const metric = async (line: string): Promise<number> => {
  const text = await (await fetch(`${service.address}/metrics`)).text();
  return Number(
    text
      .split('\n')
      .find((found) => found.startsWith(line))
      ?.split(' ')
      .at(-1) ?? 0,
  );
};
const anyChatStatus: Pick<Trigger, 'triggerEvents'> = { triggerEvents: [{ category: 'ChatStatus', filters: [] }] };

describe('a chat event', () => {
  it('becomes one invocation of each matching trigger, with the event exactly as it came', async () => {
    const first = await service.addTrigger(orgId);
    const second = await service.addTrigger(orgId, anyChatStatus);
    await service.addTrigger(orgId, { triggerEvents: [{ category: 'MessagePosted', filters: [] }] });
    await service.addTrigger(orgId, { enabled: false });
    await service.addTrigger(await service.addOrganization(), anyChatStatus);
    await service.start();
    const event = anEvent();
    const text = ` {"nr": 12345678901234567890, "q":"\\u00e9 ✓",\n${JSON.stringify(event).slice(1)}`;
    await send(event, {}, text);
    const made = await requests();
    expect(new Set(made.map(({ triggerId }) => triggerId))).toEqual(new Set([first.id, second.id]));
    const [record] = await service.records(chatEvents);
    for (const request of made) {
      expect(request).toMatchObject({
        invocationId: triggerInvocationId(request.triggerId!, event.id),
        kind: 'trigger',
        seq: 0,
        attempt: 1,
        origin: 'automatic',
        orgId,
        chatId: event.chatId,
        body: text,
        event: { id: event.id, type: 'ChatOpened' },
        deadline: null,
        acceptedAt: new Date(record!.timestampMs).toISOString(),
      });
      expect(request.configOffset).toBeGreaterThan(0);
    }
    const [sent] = await service.records(triggerInvocationRequests);
    expect(sent?.headers).toMatchObject({ 'org-id': orgId, 'chat-id': event.chatId, seq: '0', 'function-id': first.cloudFunctionId });
    expect(sent?.key?.toString()).toBe(event.chatId);
  });

  it('meets a trigger that was saved just before it', async () => {
    await service.start();
    await service.addTrigger(orgId);
    await send(anEvent());
    expect(await requests()).toHaveLength(1);
  });

  it('follows the filters, ids in either case', async () => {
    const { widgetId } = chatEvents.example as unknown as { widgetId: string };
    const filtered = (operator: 'matches' | 'doesNotMatch') =>
      service.addTrigger(orgId, {
        triggerEvents: [{ category: 'ChatStatus', filters: [{ property: 'Widget', operator, values: [widgetId.toUpperCase()] }] }],
      });
    const matching = await filtered('matches');
    const notMatching = await filtered('doesNotMatch');
    await service.start();
    const events = [anEvent(), anEvent({ widgetId: randomUUID() }), anEvent({ widgetId: undefined })];
    for (const event of events) await send(event);
    const pairs = new Map((await requests()).map(({ event, triggerId }) => [event?.id, triggerId]));
    expect(pairs).toEqual(
      new Map([
        [events[0]!.id, matching.id],
        [events[1]!.id, notMatching.id],
        [events[2]!.id, notMatching.id],
      ]),
    );
  });

  it('that comes again is not invoked again, whatever the case of its ids, also by a matcher that started anew', async () => {
    await service.addTrigger(orgId);
    await service.start();
    const event = anEvent();
    await send(event);
    await send({ ...event, id: event.id.toUpperCase(), orgId: orgId.toUpperCase() });
    expect(await requests()).toHaveLength(1);
    expect(await metric('cf_matcher_events_total{end="repeated"}')).toBe(1);
    await service.stop();
    await service.start();
    await send(event);
    expect(await requests()).toHaveLength(1);
  });

  it('that is sent again after handling it failed for good is handled, also by a matcher that started anew', async () => {
    const createPublisher = service.log.createPublisher.bind(service.log);
    let failing = true;
    service.log.createPublisher = (...given) => {
      const publisher = createPublisher(...given);
      const fails = (topic: string) => failing && topic === triggerInvocationRequests.name;
      return {
        publish: (record) => (fails(record.topic) ? Promise.reject(new Error('a fault of ours')) : publisher.publish(record)),
        close: () => publisher.close(),
      };
    };
    await service.addTrigger(orgId);
    await service.start();
    for (const isStartedAnew of [false, true]) {
      failing = true;
      const event = anEvent();
      await send(event);
      await handled();
      const letter = (await service.messages(deadLetters)).find(({ key }) => key === event.chatId)!;
      expect(letter.reason).toBe('handler_failed');
      failing = false;
      if (isStartedAnew) await service.stop().then(() => service.start());
      await send(event);
      const { partition, offset } = letter.origin;
      const resent = { partition, key: letter.key!, headers: { ...letter.headers, resends: String(offset) } };
      await service.publishRaw(chatEvents, Buffer.from(letter.valueBase64!, 'base64'), resent);
      const made = (await requests()).filter((request) => request.event!.id === event.id);
      expect(made).toMatchObject([{ body: JSON.stringify(event), seq: 0 }]);
    }
  });

  it("with the id of another organization's event is an event of its own", async () => {
    const otherOrgId = await service.addOrganization();
    await service.addTrigger(orgId);
    await service.addTrigger(otherOrgId);
    await service.start();
    const event = anEvent();
    await send(event);
    await send({ ...event, orgId: otherOrgId });
    expect(new Set((await requests()).map((request) => request.orgId))).toEqual(new Set([orgId, otherOrgId]));
  });

  it('whose requests were made before a crash is made into the same invocations again', async () => {
    await service.addTrigger(orgId);
    await service.start({ commits: false });
    await send(anEvent());
    await eventually(async () => expect(await service.records(triggerInvocationRequests)).toHaveLength(1));
    await service.stop();
    await service.start();
    const made = await requests();
    expect(made.length).toBe(2);
    expect(new Set(made.map(({ invocationId, seq }) => `${invocationId}/${seq}`)).size).toBe(1);
  });

  it('of an organization that is off or unknown is counted and dropped, and so is an unknown type', async () => {
    const off = await service.addOrganization({ cloudFunctionsEnabled: false });
    await service.addTrigger(off, anyChatStatus);
    await service.addTrigger(orgId, anyChatStatus);
    await service.start();
    await send(anEvent({ orgId: off }));
    await send(anEvent({ orgId: randomUUID() }));
    await send(anEvent({ type: 'ChatReopened' }));
    expect(await requests()).toEqual([]);
    for (const end of ['organization_off', 'organization_unknown', 'type_unknown'])
      expect(await metric(`cf_matcher_events_total{end="${end}"}`)).toBe(1);
    expect(await service.records(deadLetters)).toEqual([]);
  });

  it('keeps the order of its chat', async () => {
    await service.addTrigger(orgId, anyChatStatus);
    await service.start();
    const chatId = randomUUID();
    const events = Array.from({ length: 20 }, () => anEvent({ chatId }));
    for (const event of events) await send(event);
    expect((await requests()).map(({ event }) => event?.id)).toEqual(events.map(({ id }) => id));
  });
});

describe('an event that cannot be read', () => {
  it('becomes a dead letter with its reason and holds up nothing', async () => {
    await service.addTrigger(orgId);
    await service.start();
    await service.publishRaw(chatEvents, '{"type":', { partition: 0 });
    await service.publishRaw(chatEvents, '{"type":"ChatOpened"}', { partition: 0 });
    await service.publishRaw(chatEvents, Buffer.from([0x22, 0xff, 0x22]), { partition: 0 });
    await service.publishRaw(chatEvents, JSON.stringify(anEvent({ text: 'x'.repeat(256 * 1024) } as Partial<ChatEvent>)), { partition: 0 });
    await service.publishRaw(chatEvents, JSON.stringify(anEvent()), { partition: 0 });
    expect(await requests()).toHaveLength(1);
    const reasons = (await service.messages(deadLetters)).map(({ reason }) => reason).sort();
    expect(reasons).toEqual(['invalid_message', 'not_json', 'not_utf8', 'too_large']);
  });

  it('is not one of 256 KiB', async () => {
    await service.addTrigger(orgId);
    await service.start();
    const event = anEvent();
    const room = 256 * 1024 - Buffer.byteLength(JSON.stringify({ ...event, text: '' }));
    await send(event, {}, JSON.stringify({ ...event, text: '"'.repeat(room / 2) }).padEnd(256 * 1024));
    const [made] = await requests();
    expect(made?.body).toHaveLength(256 * 1024);
  });
});

describe('a trigger that fires itself', () => {
  it('is suppressed beyond its limit within a minute, recorded with its request and not called', async () => {
    const trigger = await service.addTrigger(orgId, { ...anyChatStatus, loopGuardLimit: 3 });
    await service.start();
    const chatId = randomUUID();
    const events = Array.from({ length: 5 }, () => anEvent({ chatId }));
    for (const event of events) await send(event);
    expect((await requests()).map(({ event }) => event?.id)).toEqual(events.slice(0, 3).map(({ id }) => id));
    const suppressed = await service.messages(triggerInvocationResults);
    expect(new Set(suppressed.map(({ request }) => request.event?.id))).toEqual(new Set(events.slice(3).map(({ id }) => id)));
    for (const result of suppressed) {
      expect(result).toMatchObject({ disposition: 'suppressed', attempts: [], request: { triggerId: trigger.id, chatId, seq: 0 } });
    }
    await send(anEvent());
    expect(await requests()).toHaveLength(4);
  });

  it('is suppressed at once when the event names it as its cause', async () => {
    const trigger = await service.addTrigger(orgId, anyChatStatus);
    await service.start();
    const first = anEvent();
    const second = anEvent({ chatId: first.chatId });
    await send(first);
    await send(second, { 'caused-by': triggerInvocationId(trigger.id, first.id) });
    expect(await requests()).toHaveLength(1);
    const [suppressed] = await service.messages(triggerInvocationResults);
    expect(suppressed).toMatchObject({ disposition: 'suppressed', request: { event: { id: second.id } } });
  });

  it('is not guarded where there is no chat', async () => {
    await service.addTrigger(orgId, { triggerEvents: [{ category: 'Subscriptions', filters: [] }], loopGuardLimit: 1 });
    await service.start();
    const phoneNumberId = randomUUID();
    for (let count = 0; count < 3; count++) await send(anEvent({ type: 'SmsSubscribed', chatId: undefined, phoneNumberId }));
    expect(await requests()).toHaveLength(3);
  });
});
