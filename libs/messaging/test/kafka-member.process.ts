/** A member of a group in a process of its own, so that it can be killed and frozen. It tells its parent what it is told, and commits on demand. */
import { KafkaLog } from '../src/kafka/kafka-log.js';

export interface MemberSettings {
  readonly brokers: string;
  readonly topicPrefix: string;
  readonly group: string;
  readonly topic: string;
  readonly sessionTimeoutMs: number;
}

export type MemberReport =
  | { readonly is: 'assigned' | 'lost'; readonly partitions: readonly number[] }
  | { readonly is: 'records'; readonly partition: number; readonly offsets: readonly number[] }
  | { readonly is: 'committed' }
  | { readonly is: 'failed'; readonly message: string };

export interface CommitOrder {
  readonly partition: number;
  readonly offset: number;
}

const settings = JSON.parse(process.argv[2]!) as MemberSettings;
const report = (message: MemberReport): void => void process.send?.(message);

const log = new KafkaLog({
  brokers: [settings.brokers],
  clientId: 'member-process',
  topicPrefix: settings.topicPrefix,
  sessionTimeoutMs: settings.sessionTimeoutMs,
  heartbeatIntervalMs: 200,
});
await log.start();
const member = await log.join({
  group: settings.group,
  topics: [settings.topic],
  coPartitioned: false,
  drainTimeoutMs: 1_000,
  onOffsetOutOfRange: 'earliest',
  listener: {
    assigned: async (partitions) => report({ is: 'assigned', partitions: partitions.map(({ partition }) => partition) }),
    records: (_, partition, records) => report({ is: 'records', partition, offsets: records.map(({ offset }) => offset) }),
    revoking: async () => undefined,
    lost: (partitions) => report({ is: 'lost', partitions: partitions.map(({ partition }) => partition) }),
    failed: ({ message }) => report({ is: 'failed', message }),
  },
});
process.on('message', ({ partition, offset }: CommitOrder) => {
  member
    .commit([{ topic: settings.topic, partition, offset }])
    .then(() => report({ is: 'committed' }))
    .catch(({ message }: Error) => report({ is: 'failed', message }));
});
process.on('disconnect', () => process.exit(0));
