import { flows } from '@cf/contract';
import { EmbeddedLog, KafkaLog, type MessageLog } from '@cf/messaging';
import type { Logger } from 'pino';
import type { PlatformConfig } from './platform.config.js';

/** A start that takes longer says what it waits for. */
const SILENT_MS = 3_000;

/** Kafka when brokers are named, the embedded log in Postgres otherwise; every topic of the flow exists afterwards. */
export const openLog = async (platform: PlatformConfig, logger: Logger, clientId: string): Promise<MessageLog> => {
  const log: MessageLog =
    platform.kafka === null
      ? EmbeddedLog.onPostgres({ connectionString: platform.databaseUrl })
      : new KafkaLog({
          ...platform.kafka,
          clientId: `cloud-functions-${clientId}`,
          log: (level, message, fields) => logger[level]({ ...fields, part: 'kafka' }, message),
        });
  const setting = platform.kafka === null ? 'DATABASE_URL' : 'KAFKA_BROKERS';
  const waiting = setTimeout(() => logger.warn(`${setting} does not answer yet`), SILENT_MS);
  try {
    await log.start();
  } catch (error) {
    throw new Error(`${setting}: ${(error as Error).message}`, { cause: error });
  } finally {
    clearTimeout(waiting);
  }
  await log.ensureTopics(
    flows.map(({ topic }) => ({
      name: topic.name,
      partitions: platform.partitions[topic.partitions],
      cleanup: topic.cleanup,
      retentionMs: topic.retentionMs,
      messageBytesMax: topic.messageBytesMax,
    })),
  );
  return log;
};
