import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { Publisher } from '@cf/messaging';
import { CustomerEndpoint, eventually } from '@cf/testing';
import { RunningInvoker } from './running-invoker.js';

const CALLS_MAX = 4;

describe('while the log does not acknowledge results', () => {
  let invoker: RunningInvoker;
  let endpoint: CustomerEndpoint;
  let acknowledge: () => void;
  beforeAll(async () => {
    [invoker, endpoint] = await Promise.all([RunningInvoker.create(), CustomerEndpoint.start()]);
    const acknowledging = new Promise<void>((resolve) => (acknowledge = resolve));
    const createPublisher = invoker.log.createPublisher.bind(invoker.log);
    jest.spyOn(invoker.log, 'createPublisher').mockImplementation((name, priority): Publisher => {
      const publisher = createPublisher(name, priority);
      if (name !== 'invoker.trigger') return publisher;
      return { publish: (record) => acknowledging.then(() => publisher.publish(record)), close: () => publisher.close() };
    });
    process.env['INVOKER_TRIGGER_CALLS_MAX'] = String(CALLS_MAX);
    await invoker.startProcess();
  });
  afterAll(async () => {
    delete process.env['INVOKER_TRIGGER_CALLS_MAX'];
    await endpoint?.close();
    await invoker?.stop();
  });

  it('calls go on in the order of their chat, so many and no more, and each is made once', async () => {
    const cloudFunction = await invoker.setFunction(await invoker.setApi(await invoker.addOrganization(), endpoint.url));
    endpoint.answer(`/${cloudFunction.endpointUrl}`, () => ({}));
    const chatId = randomUUID();
    const requests = Array.from({ length: 3 * CALLS_MAX }, (_, index) =>
      invoker.trigger(cloudFunction, { chatId, body: `{"is":${index}}` }),
    );
    for (const request of requests) await invoker.send(request, 0);
    const called = (): string[] => endpoint.callsTo(`/${cloudFunction.endpointUrl}`).map(({ body }) => String(body));
    await eventually(async () => {
      expect(called()).toHaveLength(2 * CALLS_MAX);
      expect(await invoker.metric('cf_consumer_unacknowledged', { group: 'invoker.trigger' })).toBe(2 * CALLS_MAX);
    });
    expect(invoker.triggerResults).toEqual([]);
    acknowledge();
    for (const request of requests) await invoker.resultOf(request);
    expect(called()).toEqual(requests.map(({ body }) => body));
  });
});
