/** What a careful Node developer writes first: kafkajs eachBatch, all calls of a batch at once (bounded), results in one send. */
import { Kafka, logLevel, type KafkaMessage, Partitioners } from 'kafkajs';
import { Pool } from 'undici';

const { BROKERS = '', IN = '', OUT = '', GROUP = '', TARGET = '', CONCURRENCY = '256' } = process.env;
const limit = Number(CONCURRENCY);
const kafka = new Kafka({ clientId: GROUP, brokers: [BROKERS], logLevel: logLevel.ERROR });
const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
const consumer = kafka.consumer({ groupId: GROUP, maxWaitTimeInMs: 100 });
const pool = new Pool(TARGET, { connections: limit, pipelining: 1 });
const waiting: (() => void)[] = [];
let running = 0;

const call = async (message: KafkaMessage): Promise<{ key: Buffer | null; value: string }> => {
  if (running >= limit) await new Promise<void>((resolve) => waiting.push(resolve));
  else running++;
  try {
    const startedAt = performance.now();
    const request = JSON.parse(String(message.value)) as { invocationId: string; path: string; body: string };
    const { statusCode, body } = await pool.request({
      path: request.path,
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-cloud-function-invocation-id': request.invocationId },
      body: request.body,
    });
    const answer = await body.text();
    return { key: message.key, value: JSON.stringify({ request, status: statusCode, answer, durationMs: performance.now() - startedAt }) };
  } finally {
    const next = waiting.shift();
    if (next === undefined) running--;
    else next();
  }
};

await Promise.all([producer.connect(), consumer.connect()]);
await consumer.subscribe({ topics: [IN], fromBeginning: true });
await consumer.run({
  partitionsConsumedConcurrently: 12,
  eachBatch: async ({ batch, heartbeat }) => {
    const beat = setInterval(() => void heartbeat().catch(() => undefined), 3_000);
    try {
      await producer.send({ topic: OUT, acks: -1, messages: await Promise.all(batch.messages.map(call)) });
    } finally {
      clearInterval(beat);
    }
  },
});
