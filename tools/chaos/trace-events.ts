import { appendFileSync } from 'node:fs';
import { flows } from '@cf/contract';
import { KafkaLog } from '@cf/messaging';

const READ_MS_MAX = 120_000;

/** Writes down every record of any topic that names one of these events: where each was seen last. */
export const traceEvents = async (brokers: string, topicPrefix: string, eventIds: readonly string[], path: string): Promise<void> => {
  const log = new KafkaLog({ brokers: [brokers], clientId: 'chaos', topicPrefix });
  await log.start();
  for (const topic of new Set(flows.map(({ topic: { name } }) => name))) {
    const reader = log.read({
      topic,
      from: 'beginning',
      onRecords: (partition, records) => {
        for (const { offset, timestampMs, value, headers } of records) {
          const text = String(value);
          if (!eventIds.some((id) => text.includes(id))) continue;
          const at = new Date(timestampMs).toISOString();
          appendFileSync(path, `${JSON.stringify({ topic, partition, offset, at, headers, text: text.slice(0, 4_000) })}\n`);
        }
      },
    });
    await reader.reached(await log.endOffsets(topic), READ_MS_MAX);
    await reader.close();
  }
  await log.close();
};
