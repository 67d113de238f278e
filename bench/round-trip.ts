/**
 * A step's round trip at a steady rate: request topic → step-executor → invoker → endpoint → result topic, beside the floor: the same four
 * topics through two bare relays that do nothing. What the two differ by is what the product costs.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { flows, stepRequests, stepResults } from '@cf/contract';
import { KafkaLog, type MessageLog, type OutgoingRecord } from '@cf/messaging';
import { Candidate } from './candidate.ts';
import { quantile, round } from './figures.ts';
import { serviceEnv, writeRegistry } from './registry-fixture.ts';

const PARTITIONS = 12;

export interface RoundTripOptions {
  readonly brokers: string;
  readonly databaseUrl: string;
  readonly dataDir: string;
  readonly target: string;
  readonly perSecond: number;
  readonly seconds: number;
}

interface Latency {
  readonly answered: number;
  readonly of: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Sends at the rate, matches answers by the id that `idOf` finds, and drops the first fifth as warm-up. */
const drive = async (
  log: MessageLog,
  outTopic: string,
  record: (id: string) => OutgoingRecord,
  idOf: (value: string) => string,
  { perSecond, seconds }: RoundTripOptions,
): Promise<Latency> => {
  const sentAt = new Map<string, number>();
  const latencies: number[] = [];
  const reader = log.read({
    topic: outTopic,
    from: 'beginning',
    onRecords: (_partition, records) => {
      const now = performance.now();
      for (const { value } of records) {
        const id = idOf(String(value));
        const at = sentAt.get(id);
        if (at === undefined) continue;
        sentAt.delete(id);
        latencies.push(now - at);
      }
    },
  });
  await reader.positioned;
  const publisher = log.createPublisher('drive', 'step');
  const count = perSecond * seconds;
  const startedAt = performance.now();
  for (let sent = 0; sent < count; await pause(1)) {
    for (const due = Math.min(count, Math.floor(((performance.now() - startedAt) / 1_000) * perSecond)); sent < due; sent++) {
      const id = randomUUID();
      sentAt.set(id, performance.now());
      void publisher.publish(record(id));
    }
  }
  for (const giveUpAt = Date.now() + 10_000; sentAt.size > 0 && Date.now() < giveUpAt; ) await pause(50);
  await Promise.all([reader.close(), publisher.close()]);
  const steady = latencies.slice(Math.floor(latencies.length / 5));
  return { answered: latencies.length, of: count, p50Ms: round(quantile(steady, 0.5)), p99Ms: round(quantile(steady, 0.99)) };
};

const openLog = async (brokers: string, topicPrefix: string, names: readonly string[]): Promise<KafkaLog> => {
  const log = new KafkaLog({ brokers: [brokers], clientId: 'bench', topicPrefix });
  await log.start();
  await log.ensureTopics(
    names.map((name) => ({ name, partitions: PARTITIONS, cleanup: 'delete', retentionMs: null, messageBytesMax: 2 * 1024 * 1024 })),
  );
  return log;
};

const measureFloor = async (options: RoundTripOptions): Promise<Latency> => {
  const prefix = `floor${Date.now()}.`;
  const topics = ['t0', 't1', 't2', 't3'];
  const log = await openLog(options.brokers, prefix, topics);
  const pair = (from: number, to: number): string => `${prefix}t${from}>${prefix}t${to}`;
  const relays = [`${pair(0, 1)},${pair(2, 3)}`, pair(1, 2)].map((pairs, index) =>
    Candidate.run('bench/peers/relay.ts', { BROKERS: options.brokers, PAIRS: pairs, GROUP: `${prefix}${index}` }),
  );
  try {
    await Promise.all(relays.map(({ ready }) => ready));
    await pause(2_000);
    return await drive(
      log,
      't3',
      (id) => ({ topic: 't0', key: id, value: JSON.stringify({ id, pad: 'x'.repeat(350) }) }),
      (value) => (JSON.parse(value) as { id: string }).id,
      options,
    );
  } finally {
    await Promise.all(relays.map((relay) => relay.stop('SIGKILL')));
    await log.close();
  }
};

const measureProduct = async (options: RoundTripOptions): Promise<Latency> => {
  const prefix = `steps${Date.now()}.`;
  const log = await openLog(
    options.brokers,
    prefix,
    flows.filter(({ topic }) => topic.partitions === 'steps').map(({ topic }) => topic.name),
  );
  const customer = await writeRegistry(log, options.target);
  const env = serviceEnv(options, prefix);
  const services = [
    Candidate.run('apps/step-executor/dist/main.js', env),
    Candidate.run('apps/invoker/dist/main.js', { ...env, INVOKER_LANES: 'step' }),
  ];
  try {
    await Promise.all(services.map(({ ready }) => ready));
    await pause(2_000);
    const request = { ...stepRequests.example, orgId: customer.orgId, cloudFunctionId: customer.cloudFunctionIds[0] ?? '' };
    return await drive(
      log,
      stepResults.name,
      (id) => ({ topic: stepRequests.name, key: id, value: JSON.stringify({ ...request, requestId: id, executionId: id }) }),
      (value) => (JSON.parse(value) as { requestId: string }).requestId,
      options,
    );
  } finally {
    await Promise.all(services.map((service) => service.stop()));
    await log.close();
  }
};

export const measureRoundTrip = async (options: RoundTripOptions): Promise<object> => {
  const floor = await measureFloor(options);
  process.stdout.write(`  four bare hops: p50 ${floor.p50Ms} ms, p99 ${floor.p99Ms} ms\n`);
  const product = await measureProduct(options);
  process.stdout.write(`  a step: p50 ${product.p50Ms} ms, p99 ${product.p99Ms} ms\n`);
  return {
    perSecond: options.perSecond,
    floor,
    product,
    ratios: { p50: round(product.p50Ms / floor.p50Ms, 2), p99: round(product.p99Ms / floor.p99Ms, 2) },
  };
};
