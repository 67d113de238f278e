import type { LogRecord, MessageLog, OutgoingRecord, TopicSpec } from '@cf/messaging';

/** What the tests share: one log for all of them, topics of their own for each. */
export interface LogFixture {
  log(): Promise<MessageLog>;
  reopened(): Promise<MessageLog>;
  topic(spec?: Partial<Omit<TopicSpec, 'name'>>): Promise<string>;
}

export type DescribeTest = (promise: string, run: (fixture: LogFixture) => Promise<void>) => void;

/** Publishes at once, in the order given. */
export const publishAll = async (log: MessageLog, records: readonly OutgoingRecord[]): Promise<void> => {
  const publisher = log.createPublisher('conformance', 'trigger');
  await Promise.all(records.map((record) => publisher.publish(record)));
  await publisher.close();
};

export const numbered = (topic: string, count: number, partition?: number, from = 0): OutgoingRecord[] =>
  Array.from({ length: count }, (_, index) => ({
    topic,
    key: `key-${from + index}`,
    value: String(from + index),
    ...(partition !== undefined && { partition }),
  }));

/** All that a partition holds now, as somebody sees who just came. */
export const contentOf = async (log: MessageLog, topic: string, partition: number): Promise<LogRecord[]> => {
  const records: LogRecord[] = [];
  const untilOffset = (await log.endOffsets(topic))[partition] ?? 0;
  for await (const chunk of log.readBack({ topic, partition, untilOffset, sinceMs: 0, recordsMax: Number.MAX_SAFE_INTEGER }))
    records.push(...chunk);
  return records;
};
