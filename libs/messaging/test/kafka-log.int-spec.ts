import { randomUUID } from 'node:crypto';
import { describeMessageLog, describeOnKafka, testKafka } from '@cf/testing';
import { KafkaLog } from '../src/kafka/kafka-log.js';

const open = async (topicPrefix: string): Promise<KafkaLog> => {
  const log = new KafkaLog({ brokers: [testKafka()!.brokers], clientId: 'conformance', topicPrefix, sessionTimeoutMs: 6_000 });
  await log.start();
  return log;
};

describeOnKafka('on a real broker', () => {
  describeMessageLog('KafkaLog', async () => {
    const topicPrefix = `${randomUUID()}.`;
    let log = await open(topicPrefix);
    return {
      log: async () => log,
      reopened: async () => {
        await log.close();
        log = await open(topicPrefix);
        return log;
      },
      dispose: () => log.close(),
    };
  });
});
