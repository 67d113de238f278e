import { deadLetters, type DeadLetter, type Topic } from '@cf/contract';
import type { MessageHandler } from '@nestjs/microservices';
import { isObservable, lastValueFrom } from 'rxjs';
import { MessagingError } from '../errors.js';
import type { AssignedPartition, LogRecord, TopicPartition } from '../log.js';
import type { Bulkhead, GroupPolicy, RecordContext } from '../parallel-consumer-options.js';
import { beginConsumerSpan } from './message-spans.js';
import { areSpansRecorded } from '../spans.js';
import { UnreadableMessage } from '../unreadable-message.js';
import type { ConsumerGroupHooks } from './consumer-group.js';
import { deadLetterOf, publishDeadLetter } from './dead-letter.js';
import { ReceivedMessageContext } from './message-context.js';
import type { MessagePublisher } from './message-publisher.js';
import { readMessage } from './read-message.js';

export interface TopicHandler {
  readonly topic: Topic;
  readonly handler: MessageHandler;
}

/** What a consumer group does with a record: reads it, hands it to its Nest handler, and has an end for what cannot be read or handled. */
export class GroupHandlers implements GroupPolicy {
  readonly delivered?: (record: LogRecord) => void;
  readonly orderKey?: (record: LogRecord) => string | null;
  readonly bulkhead?: (record: LogRecord) => Bulkhead | null;

  constructor(
    private readonly handlers: ReadonlyMap<string, TopicHandler>,
    private readonly hooks: ConsumerGroupHooks,
    private readonly deadLetterPublisher: MessagePublisher,
    private readonly deadLettered: (record: LogRecord, reason: string) => void,
  ) {
    if (hooks.delivered !== undefined) this.delivered = hooks.delivered.bind(hooks);
    if (hooks.orderKey !== undefined) this.orderKey = hooks.orderKey.bind(hooks);
    if (hooks.bulkhead !== undefined) this.bulkhead = hooks.bulkhead.bind(hooks);
  }

  async handle(record: LogRecord, running: RecordContext): Promise<void> {
    const subscription = this.handlers.get(record.topic);
    if (subscription === undefined) throw new Error(`no handler for ${record.topic}`);
    const span = areSpansRecorded() ? beginConsumerSpan(subscription.topic, record) : undefined;
    let failure: unknown = null;
    try {
      const message = readMessage(subscription.topic, record);
      const context = new ReceivedMessageContext(record, running, span?.traceparent);
      const outcome: unknown = await subscription.handler(message, context);
      // Nest hands errors on as a stream that fails.
      if (isObservable(outcome)) await lastValueFrom(outcome, { defaultValue: undefined });
    } catch (error) {
      failure = error;
      if (!(error instanceof UnreadableMessage)) throw error;
      await this.unreadable(record, error);
    } finally {
      span?.end({ error: failure instanceof MessagingError ? failure.code : failure instanceof Error ? failure.name : null });
    }
  }

  async unprocessable(record: LogRecord, error: unknown): Promise<void> {
    if ((await this.hooks.failed?.(record, error)) === true) return;
    const reason = error instanceof MessagingError && error.code === 'crash_suspect' ? 'internal' : 'handler_failed';
    await this.bury(record, reason, error instanceof Error ? `${error.name}: ${error.message}` : String(error));
  }

  async assigned(partitions: readonly AssignedPartition[]): Promise<void> {
    await this.hooks.assigned?.(partitions);
  }

  lost(partitions: readonly TopicPartition[]): void {
    this.hooks.lost?.(partitions);
  }

  private async unreadable(record: LogRecord, error: UnreadableMessage): Promise<void> {
    if ((await this.hooks.unreadable?.(record, error)) === true) return;
    await this.bury(record, error.code, error.detail);
  }

  private async bury(record: LogRecord, reason: DeadLetter['reason'], detail: string): Promise<void> {
    // A dead letter that cannot be handled stays where it is: burying it again would never end.
    if (record.topic !== deadLetters.name) await publishDeadLetter(this.deadLetterPublisher, deadLetterOf(record, reason, detail), record);
    this.deadLettered(record, reason);
  }
}
