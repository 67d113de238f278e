/** Publishes numbers one after the other, 50 at once, and prints each that was acknowledged, until it is killed. */
import { EmbeddedLog } from '@cf/messaging';

const [connectionString = '', topic = '', from = '0'] = process.argv.slice(2);
const log = EmbeddedLog.onPostgres({ connectionString });
await log.start();
await log.ensureTopics([{ name: topic, partitions: 2, cleanup: 'delete', retentionMs: null, messageBytesMax: 100_000 }]);
const publisher = log.createPublisher('child', 'step');
let next = Number(from);
const publishOn = async (): Promise<void> => {
  for (;;) {
    const value = next++;
    await publisher.publish({ topic, partition: value % 2, key: null, value: String(value) });
    process.stdout.write(`${value}\n`);
  }
};
await Promise.all(Array.from({ length: 50 }, publishOn));
