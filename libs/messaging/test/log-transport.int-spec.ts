/**
 * Real: Nest, the transport, the parallel consumer, the embedded log in memory. Nothing is fake; all is seen through topics.
 */
import 'reflect-metadata';
import { afterEach, describe, expect, it } from '@jest/globals';
import {
  chatEvents,
  deadLetters,
  messageHeader,
  stepRequests,
  type ChatEvent,
  type DeadLetter,
  type MessageOf,
  type StepRequest,
  type Topic,
} from '@cf/contract';
import { eventually } from '@cf/testing';
import { Controller, Inject, Injectable, Module, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import {
  ConsumerGroup,
  createLogTransport,
  EmbeddedLog,
  MessagePublisher,
  OnMessage,
  UnreadableMessage,
  type ConsumerGroupHooks,
  type LogRecord,
  type LogTransport,
  type MessageContext,
} from '../src/index.js';

const limits = {
  maxInFlight: 8,
  maxBufferedRecords: 1_000,
  maxBufferedBytes: 1_000_000,
  onRevoke: 'drain',
  drainTimeoutMs: 2_000,
} as const;

interface Running {
  readonly app: NestFastifyApplication;
  readonly log: EmbeddedLog;
  readonly transport: LogTransport;
  publish<T extends Topic>(topic: T, message: MessageOf<T>): Promise<void>;
  publishRaw(topic: Topic, value: string | Buffer | null): Promise<void>;
  deadLetters(): DeadLetter[];
}

const closing: (() => Promise<void>)[] = [];

const openLog = async (): Promise<EmbeddedLog> => {
  const log = EmbeddedLog.inMemory();
  await log.start();
  await log.ensureTopics(
    [chatEvents, stepRequests, deadLetters].map(({ name, cleanup, messageBytesMax }) => ({
      name,
      partitions: 2,
      cleanup,
      retentionMs: null,
      messageBytesMax: messageBytesMax * 2,
    })),
  );
  closing.push(() => log.close());
  return log;
};

const createApp = async (providers: Type[], controllers: Type[]): Promise<NestFastifyApplication> => {
  @Module({ providers, controllers })
  class ApplicationModule {}
  const app = await NestFactory.create<NestFastifyApplication>(ApplicationModule, new FastifyAdapter(), {
    logger: false,
    abortOnError: false,
  });
  await app.init();
  closing.unshift(() => app.close());
  return app;
};

const run = async (providers: Type[], controllers: Type[]): Promise<Running> => {
  const log = await openLog();
  const app = await createApp(providers, controllers);
  const transport = createLogTransport(app, log);
  await transport.listen((error) => {
    if (error !== undefined) throw error as Error;
  });
  const raw = log.createPublisher('test', 'step');
  const publisher = new MessagePublisher(raw);
  const letters: DeadLetter[] = [];
  log.read({
    topic: deadLetters.name,
    from: 'beginning',
    onRecords: (_, records) => letters.push(...records.map(({ value }) => deadLetters.schema.parse(JSON.parse(String(value))))),
  });
  return {
    app,
    log,
    transport,
    publish: (topic, message) => publisher.publish(topic, message),
    publishRaw: (topic, value) => raw.publish({ topic: topic.name, partition: 1, key: 'key', value, headers: { 'org-id': 'org' } }),
    deadLetters: () => letters,
  };
};

const startError = async (providers: Type[], controllers: Type[]): Promise<unknown> => {
  const log = await openLog();
  const transport = createLogTransport(await createApp(providers, controllers), log);
  let failure: unknown;
  await transport.listen((error) => (failure = error));
  return failure;
};

const committedUpTo = (log: EmbeddedLog, topic: Topic): Promise<void> =>
  eventually(async () => {
    const ends = await log.endOffsets(topic.name);
    const committed = await log.committedOffsets('steps', topic.name);
    expect(committed.map((offset) => offset ?? 0)).toEqual(ends);
  });

/** What the handlers of a test application do and saw. */
@Injectable()
class Script {
  readonly seen: { message: unknown; context: MessageContext }[] = [];
  readonly failures: unknown[] = [];

  take(message: unknown, context: MessageContext): void {
    this.seen.push({ message, context });
    const failure = this.failures.shift();
    // What a handler throws need not be an error.
    // eslint-disable-next-line @typescript-eslint/only-throw-error
    if (failure !== undefined) throw failure;
  }
}

@ConsumerGroup('steps')
class StepsGroup implements ConsumerGroupHooks {
  readonly limits = limits;
}

@Controller()
class StepsConsumer {
  constructor(@Inject(Script) private readonly script: Script) {}

  @OnMessage(stepRequests, 'steps')
  async onStepRequest(request: StepRequest, context: MessageContext): Promise<void> {
    await Promise.resolve();
    this.script.take(request, context);
  }
}

const runSteps = (group: Type = StepsGroup): Promise<Running> => run([Script, group], [StepsConsumer]);

describe('log transport', () => {
  afterEach(async () => {
    for (const close of closing.splice(0)) await close();
  });

  it('hands a validated message to its handler, with the text exactly as it came', async () => {
    const { app, log, publishRaw, deadLetters } = await runSteps();
    const { chatId, ...rest } = stepRequests.example;
    const text = `  ${JSON.stringify({ unknownKey: 'é 😀', ...rest, chatId: chatId?.toUpperCase() })}\n`;
    await publishRaw(stepRequests, text);
    const { seen } = app.get(Script);
    await eventually(() => expect(seen).toHaveLength(1));
    expect(seen[0]?.message).toEqual({ ...rest, chatId: chatId?.toUpperCase() });
    expect(seen[0]?.context.text).toBe(text);
    expect(seen[0]?.context.record).toMatchObject({ topic: stepRequests.name, partition: 1, offset: 0 });
    expect(seen[0]?.context.signal.aborted).toBe(false);
    await committedUpTo(log, stepRequests);
    expect(deadLetters()).toEqual([]);
  });

  it('continues the trace of a message', async () => {
    const { app, publish } = await runSteps();
    await publish(stepRequests, stepRequests.example);
    const { seen } = app.get(Script);
    await eventually(() => expect(seen).toHaveLength(1));
    const { context } = seen[0]!;
    expect(context.traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
    expect(context.traceparent).toBe(context.record.headers[messageHeader.traceparent]);
  });

  it.each([
    ['invalid JSON', '{"type":', 'not_json'],
    ['bytes that are not UTF-8', Buffer.from([0x7b, 0xff, 0x7d]), 'not_utf8'],
    ['a message of another schema', JSON.stringify({ ...stepRequests.example, orgId: 7 }), 'invalid_message'],
    ['a record without a value', null, 'invalid_message'],
    ['more bytes than the topic takes', `"${'x'.repeat(stepRequests.messageBytesMax)}"`, 'too_large'],
  ])('makes a dead letter of %s and goes on', async (_, value, reason) => {
    const { app, log, publish, publishRaw, deadLetters } = await runSteps();
    await publishRaw(stepRequests, value);
    await publish(stepRequests, stepRequests.example);
    await committedUpTo(log, stepRequests);
    expect(app.get(Script).seen).toHaveLength(1);
    await eventually(() => expect(deadLetters()).toHaveLength(1));
    expect(deadLetters()[0]).toMatchObject({
      origin: { topic: stepRequests.name, partition: 1, offset: 0 },
      reason,
      key: 'key',
      valueBase64: value === null ? null : Buffer.from(value).toString('base64'),
      truncated: false,
      headers: { 'org-id': 'org' },
    });
  });

  it('names what is wrong with a message, not what it holds', async () => {
    const { publishRaw, deadLetters } = await runSteps();
    await publishRaw(stepRequests, JSON.stringify({ ...stepRequests.example, orgId: 'secret', chatBotType: 'Fax' }));
    await eventually(() => expect(deadLetters()).toHaveLength(1));
    expect(deadLetters()[0]?.detail).toContain('/orgId: must be a uuid; /chatBotType: ');
    expect(deadLetters()[0]?.detail).not.toContain('secret');
  });

  it('leaves an unreadable record to its group, which may answer it', async () => {
    const answered: unknown[] = [];
    @ConsumerGroup('steps')
    class AnsweringGroup extends StepsGroup {
      async unreadable(_: LogRecord, error: UnreadableMessage): Promise<boolean> {
        answered.push({ code: error.code, json: error.json });
        return error.json !== undefined;
      }
    }
    const { log, publishRaw, deadLetters } = await runSteps(AnsweringGroup);
    await publishRaw(stepRequests, '{"requestId":"7"}');
    await publishRaw(stepRequests, '{');
    await committedUpTo(log, stepRequests);
    expect(answered).toHaveLength(2);
    expect(answered).toContainEqual({ code: 'invalid_message', json: { requestId: '7' } });
    expect(answered).toContainEqual({ code: 'not_json', json: undefined });
    await eventually(() => expect(deadLetters().map(({ origin }) => origin.offset)).toEqual([1]));
  });

  it('tries again in place what a handler rejects as retryable', async () => {
    const { app, log, publish, deadLetters } = await runSteps();
    const script = app.get(Script);
    script.failures.push(...Array.from({ length: 4 }, () => Object.assign(new Error('broker is away'), { retryable: true })));
    await publish(stepRequests, stepRequests.example);
    await committedUpTo(log, stepRequests);
    expect(script.seen).toHaveLength(5);
    expect(deadLetters()).toEqual([]);
  });

  it('makes a dead letter of what a handler rejects three times', async () => {
    const { app, log, publish, deadLetters } = await runSteps();
    const script = app.get(Script);
    script.failures.push(...Array.from({ length: 3 }, () => new RangeError('cannot be')));
    await publish(stepRequests, stepRequests.example);
    await committedUpTo(log, stepRequests);
    expect(script.seen).toHaveLength(3);
    await eventually(() => expect(deadLetters()).toHaveLength(1));
    expect(deadLetters()[0]).toMatchObject({ reason: 'handler_failed', detail: 'RangeError: cannot be' });
  });

  it('gives the group the error as the handler threw it', async () => {
    class OutOfStock extends Error {}
    const failed: unknown[] = [];
    @ConsumerGroup('steps')
    class FailingGroup extends StepsGroup {
      async failed(_: LogRecord, error: unknown): Promise<boolean> {
        failed.push(error);
        return true;
      }
    }
    const { app, log, publish, deadLetters } = await runSteps(FailingGroup);
    const error = new OutOfStock();
    app.get(Script).failures.push(error, error, error);
    await publish(stepRequests, stepRequests.example);
    await committedUpTo(log, stepRequests);
    expect(failed).toEqual([error]);
    expect(deadLetters()).toEqual([]);
  });

  it('lets a handler find a message unreadable', async () => {
    const { app, publish, deadLetters } = await runSteps();
    app.get(Script).failures.push(new UnreadableMessage('too_large', 'the event is too large'));
    await publish(stepRequests, stepRequests.example);
    await eventually(() => expect(deadLetters()).toHaveLength(1));
    expect(deadLetters()[0]).toMatchObject({ reason: 'too_large', detail: 'the event is too large' });
  });

  it('runs one group over all its topics and controllers, and another beside it', async () => {
    @ConsumerGroup('events')
    class EventsGroup extends StepsGroup {}
    @Controller()
    class MoreStepsConsumer {
      constructor(@Inject(Script) private readonly script: Script) {}

      @OnMessage(chatEvents, 'steps')
      async onChatEvent(event: ChatEvent, context: MessageContext): Promise<void> {
        this.script.take(event, context);
      }
    }
    @Controller()
    class EventsConsumer {
      constructor(@Inject(Script) private readonly script: Script) {}

      @OnMessage(chatEvents, 'events')
      async onChatEvent(event: ChatEvent, context: MessageContext): Promise<void> {
        this.script.take(event, context);
      }
    }
    const { app, transport, publish } = await run([Script, StepsGroup, EventsGroup], [StepsConsumer, MoreStepsConsumer, EventsConsumer]);
    await publish(stepRequests, stepRequests.example);
    await publish(chatEvents, chatEvents.example);
    const { seen } = app.get(Script);
    await eventually(() => expect(seen).toHaveLength(3));
    expect(transport.health()).toEqual({ ok: true, detail: 'steps: 4 partitions, events: 2 partitions' });
    expect(transport.stats().map(({ group }) => group)).toEqual(['steps', 'events']);
  });

  it('waits at its end for the handlers that run, and leaves nothing uncommitted', async () => {
    let finish = (): void => {};
    const begun: string[] = [];
    @Controller()
    class SlowConsumer {
      @OnMessage(stepRequests, 'steps')
      async onStepRequest(request: StepRequest): Promise<void> {
        begun.push(request.requestId);
        await new Promise<void>((resolve) => (finish = resolve));
      }
    }
    const { log, transport, publish } = await run([StepsGroup], [SlowConsumer]);
    const idle = await run([Script, StepsGroup], [StepsConsumer]);
    await publish(stepRequests, stepRequests.example);
    await eventually(() => expect(begun).toHaveLength(1));
    let closed = false;
    const close = transport.close().then(() => (closed = true));
    // One that has nothing to wait for is through all of it by now.
    await idle.transport.close();
    expect(closed).toBe(false);
    finish();
    await close;
    await committedUpTo(log, stepRequests);
  });

  describe('refuses to start and says what to write', () => {
    it('for a group that nothing subscribes for', async () => {
      expect(await startError([Script, StepsGroup], [])).toMatchObject({
        code: 'misconfigured_subscriptions',
        message: expect.stringContaining("write a controller method with @OnMessage(topic, 'steps')"),
      });
    });

    it('for a subscription without a group', async () => {
      expect(await startError([Script], [StepsConsumer])).toMatchObject({
        message: expect.stringContaining("provide a class with @ConsumerGroup('steps')"),
      });
    });

    it('for two handlers of one group for one topic', async () => {
      @Controller()
      class SecondConsumer extends StepsConsumer {}
      expect(await startError([Script, StepsGroup], [StepsConsumer, SecondConsumer])).toMatchObject({
        message: expect.stringContaining('Two methods subscribe to steps/chatbot.step-requests'),
      });
    });

    it('for two providers of one group', async () => {
      @ConsumerGroup('steps')
      class OtherGroup extends StepsGroup {}
      expect(await startError([Script, StepsGroup, OtherGroup], [StepsConsumer])).toMatchObject({
        message: expect.stringContaining("Two providers are @ConsumerGroup('steps')"),
      });
    });
  });
});
