/**
 * A step's round trip at a steady rate: request topic → step-executor → invoker → endpoint → result topic, beside the floor: the same four
 * topics through two bare relays that do nothing. What the two differ by is what the product costs.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { flows, stepRequests, stepResults } from '@cf/contract';
import type { MessageLog, OutgoingRecord } from '@cf/messaging';
import { Candidate } from './candidate.ts';
import { atRate } from './feed.ts';
import { median, quantile, round, spread } from './figures.ts';
import { serviceEnv, writeRegistry } from './registry-fixture.ts';
import { forgetTopics, openLog } from './stage.ts';

export interface RoundTripOptions {
  readonly brokers: string;
  readonly databaseUrl: string;
  readonly dataDir: string;
  readonly target: string;
  readonly perSecond: number;
  readonly seconds: number;
  readonly rounds: number;
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
  const send = (): void => {
    const id = randomUUID();
    sentAt.set(id, performance.now());
    void publisher.publish(record(id));
  };
  const answered = async (timeoutMs: number): Promise<void> => {
    for (const giveUpAt = Date.now() + timeoutMs; sentAt.size > 0 && Date.now() < giveUpAt; ) await pause(20);
  };
  // Groups of a broker that is new take their time to be settled.
  send();
  await answered(30_000);
  latencies.length = 0;
  await atRate(perSecond, seconds, send);
  await answered(10_000);
  await Promise.all([reader.close(), publisher.close()]);
  const steady = latencies.slice(Math.floor(latencies.length / 5));
  return { answered: latencies.length, of: perSecond * seconds, p50Ms: round(quantile(steady, 0.5)), p99Ms: round(quantile(steady, 0.99)) };
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
    await forgetTopics(options.brokers, prefix);
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
    await forgetTopics(options.brokers, prefix);
  }
};

export const measureRoundTrip = async (options: RoundTripOptions): Promise<object> => {
  const rounds: { floor: Latency; product: Latency; p50: number; p99: number }[] = [];
  for (let index = 0; index < options.rounds; index++) {
    const [floor, product] = [await measureFloor(options), await measureProduct(options)];
    rounds.push({ floor, product, p50: round(product.p50Ms / floor.p50Ms, 2), p99: round(product.p99Ms / floor.p99Ms, 2) });
    process.stdout.write(
      `  round ${index + 1}: four bare hops p50 ${floor.p50Ms} ms, p99 ${floor.p99Ms} ms; a step p50 ${product.p50Ms} ms, p99 ${product.p99Ms} ms\n`,
    );
  }
  const medians = (of: 'floor' | 'product'): object => ({
    p50Ms: median(rounds.map((each) => each[of].p50Ms)),
    p99Ms: median(rounds.map((each) => each[of].p99Ms)),
    p99From: spread(rounds.map((each) => each[of].p99Ms)),
  });
  return {
    perSecond: options.perSecond,
    rounds,
    medians: { 'four bare hops': medians('floor'), 'a step': medians('product') },
    // Of each round, since the machine's mood is that of the round.
    ratios: {
      p50: median(rounds.map(({ p50 }) => p50)),
      p50From: spread(rounds.map(({ p50 }) => p50)),
      p99: median(rounds.map(({ p99 }) => p99)),
      p99From: spread(rounds.map(({ p99 }) => p99)),
    },
  };
};
