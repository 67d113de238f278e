/** The floor of a step's round trip: bare relays `A>B,C>D` over Kafka with no work in them. */
import { connect } from 'node:net';
import { Kafka, logLevel, Partitioners } from 'kafkajs';

const { BROKERS = '', PAIRS = '', GROUP = '' } = process.env;
const kafka = new Kafka({
  clientId: GROUP,
  brokers: [BROKERS],
  logLevel: logLevel.ERROR,
  socketFactory: ({ host, port, onConnect }) => connect({ host, port, noDelay: true, keepAlive: true }, onConnect),
});
const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
await producer.connect();
let pending = new Map<string, { key: Buffer | null; value: Buffer | null }[]>();
let sending = false;

const send = async (): Promise<void> => {
  if (sending) return;
  sending = true;
  while (pending.size > 0) {
    const topicMessages = [...pending].map(([topic, messages]) => ({ topic, messages }));
    pending = new Map();
    await producer.sendBatch({ acks: -1, topicMessages });
  }
  sending = false;
};

for (const [from, to] of PAIRS.split(',').map((pair) => pair.split('>') as [string, string])) {
  const consumer = kafka.consumer({ groupId: GROUP + from, maxWaitTimeInMs: 100, minBytes: 1 });
  await consumer.connect();
  await consumer.subscribe({ topics: [from], fromBeginning: true });
  await consumer.run({
    autoCommit: false,
    partitionsConsumedConcurrently: 12,
    eachBatch: async ({ batch }) => {
      const queue = pending.get(to) ?? [];
      pending.set(to, queue);
      for (const { key, value } of batch.messages) queue.push({ key, value });
      setImmediate(() => void send());
    },
  });
}
process.stdout.write('ready\n');
