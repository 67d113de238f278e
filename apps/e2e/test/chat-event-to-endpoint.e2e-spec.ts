import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { chatEvents, type DeadLetter, deadLetters } from '@cf/contract';
import { type LogRecord, MessagePublisher } from '@cf/messaging';
import { CustomerEndpoint, eventually } from '@cf/testing';
import { onBothLogs } from './harness/both-logs.js';
import { type Installation, startInstallation } from './harness/installation.js';
import { Tenant } from './harness/tenant.js';

onBothLogs('a chat event reaches the endpoint of each matching trigger', (engine) => {
  let product: Installation;
  let endpoint: CustomerEndpoint;
  let tenant: Tenant;

  beforeAll(async () => {
    product = await startInstallation(engine);
    endpoint = await CustomerEndpoint.start();
    tenant = await Tenant.create(product.operator);
  });
  afterAll(async () => {
    await product?.stop();
    await endpoint?.close();
  });

  const publish = async (text: string, key: string): Promise<void> => {
    const publisher = product.log.createPublisher('chat-platform', 'trigger');
    await publisher.publish({ topic: chatEvents.name, key, value: text, headers: { 'content-type': 'application/json' } });
    await publisher.close();
  };

  it('byte for byte and once, from the topic and from the gateway', async () => {
    const path = `/exact-${randomUUID()}`;
    await tenant.createTrigger(await tenant.createFunction(endpoint.url, path.slice(1)), 'ChatStatus');
    const exact = (id: string): string =>
      `{ "type":"ChatOpened",  "id":"${id.toUpperCase()}", "orgId":"${tenant.orgId.toUpperCase()}","timestamp":"2026-11-22T15:04:05.123456Z",\n"chatId":"${randomUUID()}", "big":12345678901234567890, "z":1,"a":"\\u00e9é" }`;
    const fromTopic = exact(randomUUID());
    const fromGateway = exact(randomUUID());
    await publish(fromTopic, 'chat');
    expect((await tenant.sendEvent(fromGateway)).status).toBe(202);
    await eventually(() => expect(endpoint.callsTo(path)).toHaveLength(2));
    expect(
      endpoint
        .callsTo(path)
        .map(({ body }) => body.toString())
        .sort(),
    ).toEqual([fromTopic, fromGateway].sort());
  });

  it('two triggers are two calls, and the same event id again is no further call', async () => {
    const [first, second, marker] = ['first', 'second', 'marker'].map((name) => `/${name}-${randomUUID()}`) as [string, string, string];
    const widgetTopicId = randomUUID();
    const onTopic = [{ property: 'Topic', operator: 'matches', values: [widgetTopicId] }];
    await tenant.createTrigger(await tenant.createFunction(endpoint.url, first.slice(1)), 'ChatContext', onTopic);
    await tenant.createTrigger(await tenant.createFunction(endpoint.url, second.slice(1)), 'ChatContext', onTopic);
    await tenant.createTrigger(await tenant.createFunction(endpoint.url, marker.slice(1)), 'ChatContext', [
      { property: 'Topic', operator: 'matches', values: [widgetTopicId] },
    ]);
    const event = tenant.event('ChatContextUpdated', { widgetTopicId });
    await tenant.sendEvent(event);
    await eventually(() => expect([first, second].map((path) => endpoint.callsTo(path).length)).toEqual([1, 1]));

    await tenant.sendEvent({ ...event, id: event.id.toUpperCase() });
    await tenant.sendEvent({ ...event, id: randomUUID() });
    await eventually(() => expect(endpoint.callsTo(marker)).toHaveLength(2));
    await eventually(() => expect([first, second].map((path) => endpoint.callsTo(path).length)).toEqual([2, 2]));
  });

  it('filters decide as documented, ids in either case', async () => {
    const path = `/filtered-${randomUUID()}`;
    const [widgetId, widgetTopicId, other] = [randomUUID(), randomUUID(), randomUUID()];
    await tenant.createTrigger(await tenant.createFunction(endpoint.url, path.slice(1)), 'RegisteredChats', [
      { property: 'EventType', operator: 'matches', values: ['RegisteredChatStarted', 'UserVerificationSucceeded'] },
      { property: 'Widget', operator: 'matches', values: [widgetId.toUpperCase()] },
      { property: 'Topic', operator: 'doesNotMatch', values: [other] },
    ]);
    const chatId = randomUUID();
    const matching = [
      tenant.event('RegisteredChatStarted', { chatId, widgetId, widgetTopicId }),
      tenant.event('UserVerificationSucceeded', { chatId, widgetId: widgetId.toUpperCase(), widgetTopicId: null }),
    ];
    const others = [
      tenant.event('UserVerificationAbandoned', { chatId, widgetId, widgetTopicId }),
      tenant.event('RegisteredChatStarted', { chatId, widgetId: other, widgetTopicId }),
      tenant.event('RegisteredChatStarted', { chatId, widgetId, widgetTopicId: other.toUpperCase() }),
      tenant.event('RegisteredChatStarted', { chatId, widgetId: null, widgetTopicId }),
      tenant.event('ChatOpened', { chatId, widgetId, widgetTopicId }),
    ];
    await tenant.sendEvents([...others, ...matching]);
    await eventually(() => expect(endpoint.callsTo(path)).toHaveLength(2));
    expect(endpoint.callsTo(path).map(({ body }) => (JSON.parse(body.toString()) as { id: string }).id)).toEqual(
      matching.map(({ id }) => id),
    );
  });

  it('a failing endpoint is asked again until it succeeds, and every attempt is recorded', async () => {
    const path = `/flaky-${randomUUID()}`;
    let calls = 0;
    endpoint.answer(path, () => (++calls < 3 ? { status: 503 } : { status: 200, body: 'thank you' }));
    const triggerId = await tenant.createTrigger(await tenant.createFunction(endpoint.url, path.slice(1)), 'Subscriptions');
    await tenant.sendEvent(tenant.event('SmsSubscribed'));
    const execution = await eventually(async () => {
      const [found] = await tenant.executions(`?triggerId=${triggerId}&status=succeeded`);
      expect(found).toBeDefined();
      return tenant.execution(found?.invocationId ?? '');
    }, 30_000);
    expect(execution.attempts?.map(({ number, httpStatus }) => [number, httpStatus])).toEqual([
      [1, 503],
      [2, 503],
      [3, 200],
    ]);
    expect(new Set(endpoint.callsTo(path).map(({ headers }) => headers['x-cloud-function-invocation-id']))).toEqual(
      new Set([execution.invocationId]),
    );
    expect(endpoint.callsTo(path).map(({ headers }) => headers['x-cloud-function-attempt'])).toEqual(['1', '2', '3']);
  });

  it('a final failure is dead-lettered and can be sent again by hand', async () => {
    const path = `/gone-${randomUUID()}`;
    endpoint.answer(path, () => ({ status: 410 }));
    const triggerId = await tenant.createTrigger(await tenant.createFunction(endpoint.url, path.slice(1)), 'ExternalBots');
    await tenant.sendEvent(tenant.event('ExternalBotFlowTriggered'));
    const dead = await eventually(async () => {
      const [found] = await tenant.executions(`?triggerId=${triggerId}&status=dead_lettered`);
      expect(found).toBeDefined();
      return found;
    });
    endpoint.answer(path, () => ({ status: 200 }));
    const retried = await tenant.api.request('POST', tenant.path(`executions/${dead?.invocationId}/retries`));
    expect(retried.status).toBeGreaterThanOrEqual(200);
    expect(retried.status).toBeLessThan(300);
    const attempts = await eventually(async () => {
      const found = await tenant.execution(dead?.invocationId ?? '');
      expect(found.status).toBe('succeeded');
      return found.attempts;
    });
    expect(attempts?.map(({ origin, httpStatus }) => [origin, httpStatus])).toEqual([
      ['automatic', 410],
      ['manual_retry', 200],
    ]);
  });

  it('nonsense on the topic becomes a dead letter and the events behind it go on', async () => {
    const path = `/after-nonsense-${randomUUID()}`;
    await tenant.createTrigger(await tenant.createFunction(endpoint.url, path.slice(1)), 'MessagePosted');
    const key = randomUUID();
    await publish('{"type":"MessagePosted"', key);
    await publish(JSON.stringify({ type: 'MessagePosted', id: 'no uuid', orgId: tenant.orgId, timestamp: 'yesterday' }), key);
    await publish(JSON.stringify(tenant.event('MessagePosted', { orgId: randomUUID() })), key);
    await publish(JSON.stringify(tenant.event('MessagePosted', { type: 'NeverHeardOf' })), key);
    await publish(JSON.stringify(tenant.event('MessagePosted')), key);
    await eventually(() => expect(endpoint.callsTo(path)).toHaveLength(1));
    const { log } = product;
    const letters: string[] = [];
    const reader = log.read({
      topic: 'dead.letters',
      from: 'beginning',
      onRecords: (_partition, records) => records.forEach(({ value }) => letters.push(String(value))),
    });
    await eventually(() => {
      const mine = letters.map((letter) => JSON.parse(letter) as { reason: string; origin: { topic: string } });
      expect(mine.filter(({ origin }) => origin.topic === chatEvents.name).map(({ reason }) => reason)).toEqual([
        'not_json',
        'invalid_message',
      ]);
    });
    await reader.close();
  });

  it('a dead letter that is sent again is handled, though its event was seen before', async () => {
    const [path, marker] = [`/resent-${randomUUID()}`, `/marker-${randomUUID()}`] as const;
    const [widgetTopicId, markerTopicId, chatId] = [randomUUID(), randomUUID(), randomUUID()];
    const on = async (name: string, topicId: string) =>
      tenant.createTrigger(await tenant.createFunction(endpoint.url, name.slice(1)), 'ChatContext', [
        { property: 'Topic', operator: 'matches', values: [topicId] },
      ]);
    await on(marker, markerTopicId);
    const text = JSON.stringify(tenant.event('ChatContextUpdated', { chatId, widgetTopicId }));
    await publish(text, chatId);
    await publish(JSON.stringify(tenant.event('ChatContextUpdated', { chatId, widgetTopicId: markerTopicId })), chatId);
    await eventually(() => expect(endpoint.callsTo(marker)).toHaveLength(1));
    // The event is known to the matcher by now; the spec buries it as a matcher does that cannot handle it.
    const found: LogRecord[] = [];
    const reader = product.log.read({
      topic: chatEvents.name,
      from: 'beginning',
      onRecords: (_partition, records) => found.push(...records.filter(({ value }) => String(value) === text)),
    });
    const { partition, offset } = await eventually(() => {
      expect(found).toHaveLength(1);
      return found[0]!;
    });
    await reader.close();
    const letter: DeadLetter = {
      ...deadLetters.example,
      origin: { topic: chatEvents.name, partition, offset },
      reason: 'handler_failed',
      key: chatId,
      valueBase64: Buffer.from(text).toString('base64'),
    };
    const publisher = new MessagePublisher(product.log.createPublisher('matcher', 'trigger'));
    await publisher.publish(deadLetters, letter);
    await publisher.close();
    await on(path, widgetTopicId);
    const id = await eventually(async () => {
      const { body } = await product.operator.get<{ data: { id: string; key: string }[] }>('/v1/dead-letters?reason=handler_failed');
      const kept = body.data.find(({ key }) => key === chatId);
      expect(kept).toBeDefined();
      return kept!.id;
    });
    expect((await product.operator.request('POST', `/v1/dead-letters/${id}/resends`)).status).toBe(201);
    await eventually(() => expect(endpoint.callsTo(path).map(({ body }) => body.toString())).toEqual([text]));
  });
});
