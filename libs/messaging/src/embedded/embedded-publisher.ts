import type { OutgoingRecord, Publisher, TopicSpec } from '../log.js';
import { MessagingError, PublishError } from '../errors.js';
import { partitionForKey } from '../partition-for-key.js';
import type { PendingRecord, Priority } from './append-queue.js';
import type { Appender } from './appender.js';
import type { LogView } from './log-view.js';

/** Keys of a compacted topic are looked up at every insert; an index row of Postgres ends at 2,700 bytes. */
const COMPACTED_KEY_BYTES_MAX = 1024;

const refuse = (code: string, message: string): never => {
  throw new PublishError(code, message, false);
};

export class EmbeddedPublisher implements Publisher {
  private readonly waiting = new Set<Promise<void>>();
  private closed = false;
  private nextPartition = 0;

  constructor(
    private readonly name: string,
    private readonly priority: Priority,
    private readonly view: LogView,
    private readonly appender: Appender,
  ) {}

  async publish(outgoing: OutgoingRecord): Promise<void> {
    if (this.closed) throw new PublishError('closed', `publisher ${this.name} is closed`, true);
    if (!this.appender.opened) throw new PublishError('not_started', 'the log is not started', true);
    const appended = this.appender.append(this.priority, this.placed(outgoing));
    this.waiting.add(appended);
    try {
      await appended;
    } finally {
      this.waiting.delete(appended);
    }
  }

  async close(): Promise<void> {
    this.closed = true;
    await Promise.allSettled(this.waiting);
  }

  private placed(outgoing: OutgoingRecord): PendingRecord['record'] {
    if (!this.view.has(outgoing.topic)) refuse('unknown_topic', `there is no topic ${outgoing.topic}`);
    const partitions = this.view.partitions(outgoing.topic).length;
    const partition = outgoing.partition ?? this.anyPartition(outgoing.key, partitions);
    const topic = this.topicOf(outgoing.topic, partition);
    const record = {
      topic: outgoing.topic,
      partition,
      key: outgoing.key === null ? null : Buffer.from(outgoing.key),
      value: typeof outgoing.value === 'string' ? Buffer.from(outgoing.value) : outgoing.value,
      headers: outgoing.headers ?? {},
    };
    this.checkSize(topic, record);
    return record;
  }

  private topicOf(name: string, partition: number): TopicSpec {
    try {
      return this.view.partition(name, partition).topic;
    } catch (error) {
      if (error instanceof MessagingError) refuse(error.code, error.message);
      throw error;
    }
  }

  private anyPartition(key: string | null, partitions: number): number {
    if (key !== null) return partitionForKey(key, partitions);
    this.nextPartition = (this.nextPartition + 1) % partitions;
    return this.nextPartition;
  }

  private checkSize(topic: TopicSpec, { key, value, headers }: PendingRecord['record']): void {
    let bytes = (key?.length ?? 0) + (value?.length ?? 0);
    for (const name in headers) bytes += Buffer.byteLength(name) + Buffer.byteLength(headers[name] ?? '');
    if (bytes > topic.messageBytesMax) refuse('too_large', `${bytes} bytes, ${topic.name} takes ${topic.messageBytesMax}`);
    if (topic.cleanup !== 'compact') return;
    if (key === null) return refuse('key_missing', `${topic.name} is compacted: a record without a key cannot be kept`);
    if (key.length > COMPACTED_KEY_BYTES_MAX) refuse('too_large', `a key of ${topic.name} has ${COMPACTED_KEY_BYTES_MAX} bytes at most`);
  }
}
