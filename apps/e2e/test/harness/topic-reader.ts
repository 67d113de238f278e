import type { MessageOf, Topic } from '@cf/contract';
import type { LogRecord, MessageLog } from '@cf/messaging';

/** Everything that is on a topic, kept as it comes. */
export class TopicReader<T extends Topic> {
  readonly records: LogRecord[] = [];
  private readonly reader;

  constructor(log: MessageLog, topic: T) {
    this.reader = log.read({ topic: topic.name, from: 'beginning', onRecords: (_partition, records) => this.records.push(...records) });
  }

  messages(): MessageOf<T>[] {
    return this.records.filter(({ value }) => value !== null).map(({ value }) => JSON.parse(String(value)) as MessageOf<T>);
  }

  close(): Promise<void> {
    return this.reader.close();
  }
}
