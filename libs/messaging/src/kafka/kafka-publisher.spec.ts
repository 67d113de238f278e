import { describe, expect, it } from '@jest/globals';
import type { Connection } from './connection.js';
import { KafkaPublisher } from './kafka-publisher.js';

const TOPIC = 'topic';
/** Where the count of records stands: after the framing of a request and of its topic, at the end of the batch's header. */
const COUNT_AT = 12 + 2 + TOPIC.length + 12 + 57;

/** A cluster of one broker and one partition that acknowledges everything; tells how many records each request carried. */
const acknowledging = (): { connection: Connection; sends: number[] } => {
  const sends: number[] = [];
  const broker = {
    describeConfigs: async () => ({ resources: [] }),
    lookupRequest: () => () => ({ request: { apiVersion: 7 }, response: {} }),
    connectionPool: {
      send: async ({ request }: { request: { encode(): Promise<{ buf: Buffer }> } }) => {
        sends.push((await request.encode()).buf.readInt32BE(COUNT_AT));
        return { topics: [{ topicName: TOPIC, partitions: [{ partition: 0, errorCode: 0 }] }] };
      },
    },
  };
  const connection = {
    settings: { publisherQueueBytesMax: 1_000_000, deliveryTimeoutMs: 30_000 },
    physical: (topic: string) => topic,
    leaders: async () => [1],
    broker: async () => broker,
    cluster: { findControllerBroker: async () => broker },
    works: () => undefined,
    close: async () => undefined,
  };
  return { connection: connection as unknown as Connection, sends };
};

const publish = (publisher: KafkaPublisher, count: number): Promise<unknown> =>
  Promise.all(Array.from({ length: count }, () => publisher.publish({ topic: TOPIC, key: null, value: 'value' })));
const turns = async (count: number): Promise<void> => {
  for (let turn = 0; turn < count; turn++) await new Promise(setImmediate);
};

describe('kafka publisher', () => {
  it('sends at once what one turn publishes, and gathers what comes soon after many', async () => {
    const { connection, sends } = acknowledging();
    const publisher = new KafkaPublisher(connection, 200);
    await publish(publisher, 8);
    expect(sends).toEqual([8]);
    const later = [publish(publisher, 8)];
    await turns(5);
    later.push(publish(publisher, 9));
    await Promise.all(later);
    expect(sends).toEqual([8, 17]);
    await publisher.close();
  });

  it('waits for nothing after a few, nor where somebody waits', async () => {
    const { connection, sends } = acknowledging();
    const seldom = new KafkaPublisher(connection, 60_000);
    for (let i = 0; i < 3; i++) await publish(seldom, 1);
    const urgent = new KafkaPublisher(connection);
    for (let i = 0; i < 3; i++) await publish(urgent, 8);
    expect(sends).toEqual([1, 1, 1, 8, 8, 8]);
    await Promise.all([seldom.close(), urgent.close()]);
  });
});
