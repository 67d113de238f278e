import type { INestApplication, INestApplicationContext } from '@nestjs/common';
import { Server, type CustomTransportStrategy } from '@nestjs/microservices';
import type { ConsumerObserver, ConsumerStats } from '../consumer/consumer-observer.js';
import { ParallelConsumer } from '../consumer/parallel-consumer.js';
import type { MessageLog, Publisher } from '../log.js';
import { discoverGroups, type DiscoveredGroup } from './discover-groups.js';
import { GroupHandlers } from './group-handlers.js';
import { MessagePublisher } from './message-publisher.js';
import { LOG_TRANSPORT } from './on-message.js';

export interface LogTransportOptions {
  readonly log: MessageLog;
  /** Where the `@ConsumerGroup` providers are found. */
  readonly app: INestApplicationContext;
  readonly observer?: ConsumerObserver;
}

/**
 * Nest's transport over the message log: one parallel consumer for each `@ConsumerGroup`, over all topics that `@OnMessage` methods
 * subscribe to for it. `listen` joins the groups, `close` drains them.
 *
 * Nest itself would listen before `onModuleInit` and close after `onModuleDestroy`. So the application is initialized first, then
 * this listens; and this is closed before the application.
 */
export class LogTransport extends Server implements CustomTransportStrategy {
  override readonly transportId = LOG_TRANSPORT;
  /** A failure of a handler comes back to us, so Nest need not log it. */
  override readonly propagatesEventHandlerErrors = true;
  private consumers: readonly ParallelConsumer[] = [];
  private deadLetterPublisher: Publisher | null = null;
  private closing: Promise<void> | null = null;

  constructor(private readonly options: LogTransportOptions) {
    super();
  }

  /** Checks the subscriptions and joins all groups. Calls back once, with the error if there is one. */
  async listen(callback: (error?: unknown) => void): Promise<void> {
    try {
      await this.join();
    } catch (error) {
      await this.close();
      callback(error);
      return;
    }
    callback();
  }

  /** Drains all groups side by side, leaves them, then closes what they wrote to. */
  close(): Promise<void> {
    this.closing ??= this.drain();
    return this.closing;
  }

  /** Well while every group is a member. */
  health(): { readonly ok: boolean; readonly detail: string } {
    const parts = this.consumers.map((consumer) => ({ group: consumer.group, ...consumer.health() }));
    return {
      ok: parts.every(({ ok }) => ok),
      detail: parts.map(({ group, detail }) => `${group}: ${detail}`).join(', ') || 'no consumer groups',
    };
  }

  stats(): ConsumerStats[] {
    return this.consumers.map((consumer) => consumer.stats());
  }

  on(): never {
    throw new Error('LogTransport has no events: pass an observer');
  }

  unwrap<T>(): T {
    return this.options.log as T;
  }

  private async join(): Promise<void> {
    const { app, log } = this.options;
    const listed = [...this.messageHandlers].map(([pattern, handler]) => ({ pattern, handler }));
    const groups = discoverGroups(app, listed);
    if (groups.length === 0) return;
    this.deadLetterPublisher = log.createPublisher('dead-letters', 'trigger');
    const deadLetters = new MessagePublisher(this.deadLetterPublisher);
    this.consumers = groups.map((group) => this.consumerOf(group, deadLetters));
    // All have settled before one failure closes the others.
    const started = await Promise.allSettled(this.consumers.map((consumer) => consumer.start()));
    const failed = started.find((outcome) => outcome.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  private consumerOf({ name, coPartitioned, hooks, handlers }: DiscoveredGroup, deadLetters: MessagePublisher): ParallelConsumer {
    const { log, observer = {} } = this.options;
    const policy = new GroupHandlers(handlers, hooks, deadLetters, (record, reason) => observer.deadLettered?.(name, record, reason));
    return new ParallelConsumer(log, { ...hooks.limits, group: name, coPartitioned, topics: [...handlers.keys()] }, policy, observer);
  }

  private async drain(): Promise<void> {
    const stopped = await Promise.allSettled(this.consumers.map((consumer) => consumer.stop()));
    await this.deadLetterPublisher?.close();
    const failed = stopped.find((outcome) => outcome.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }
}

/** Registers the handlers of an initialized application with a new transport. Start it with `listen`, end it with `close`. */
export const createLogTransport = (app: INestApplicationContext, log: MessageLog, observer?: ConsumerObserver): LogTransport => {
  const transport = new LogTransport({ app, log, ...(observer !== undefined && { observer }) });
  (app as INestApplication).connectMicroservice({ strategy: transport });
  return transport;
};
