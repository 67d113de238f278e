import { messageHeader, type MessageOf, type Topic } from '@cf/contract';
import { PublishError } from '../errors.js';
import { headersOfMessage } from './headers-of-message.js';
import { beginProducerSpan } from './message-spans.js';
import type { Publisher } from '../log.js';
import { areSpansRecorded, type OpenSpan } from '../spans.js';

export interface PublishOptions {
  /** Default: by the message's key. */
  readonly partition?: number;
  /** Added to those that the message itself gives. */
  readonly headers?: Readonly<Record<string, string>>;
  /** The span that this message continues. Default: a new trace. */
  readonly traceparent?: string;
  /** The message as JSON where it must travel exactly as it came. Default: written from the message. */
  readonly text?: string;
}

const endWith = (published: Promise<void>, span: OpenSpan): void => {
  published.then(
    () => span.end(),
    (error: unknown) => span.end({ error: error instanceof PublishError ? error.code : 'unknown' }),
  );
};

/** Room for key and headers beside the value within a topic's `messageBytesMax`. */
const HEADER_BYTES = 4 * 1024;

/**
 * Writes messages of the contract as records: key, JSON, headers. Resolves when the record is acknowledged, rejects with a
 * `PublishError`; `too_large` is found before anything is sent. One per lane: `new MessagePublisher(log.createPublisher('invoker.step', 'step'))`.
 */
export class MessagePublisher {
  constructor(private readonly publisher: Publisher) {}

  publish<T extends Topic>(topic: T, message: MessageOf<T>, options: PublishOptions = {}): Promise<void> {
    const value = options.text ?? JSON.stringify(message);
    const bytesMax = topic.messageBytesMax - HEADER_BYTES;
    // A UTF-16 unit is at most three bytes, so most values need no counting.
    if (value.length * 3 > bytesMax && Buffer.byteLength(value) > bytesMax) {
      return Promise.reject(new PublishError('too_large', `${topic.message} exceeds ${bytesMax} bytes of ${topic.name}`, false));
    }
    const headers = headersOfMessage(topic, message);
    const span = beginProducerSpan(topic, headers, options.traceparent);
    const published = this.publisher.publish({
      topic: topic.name,
      ...(options.partition !== undefined && { partition: options.partition }),
      key: topic.key(message),
      value,
      headers: {
        [messageHeader.contentType]: 'application/json',
        [messageHeader.traceparent]: span.traceparent,
        ...headers,
        ...options.headers,
      },
    });
    if (areSpansRecorded()) endWith(published, span);
    return published;
  }

  /** Waits for what was published, then refuses more. */
  close(): Promise<void> {
    return this.publisher.close();
  }
}
