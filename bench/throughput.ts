/**
 * Calls a second: our invoker with everything on (validation, bulkhead, breaker, address guard, authorization, records) beside Nest's own
 * Kafka transport and kafkajs eachBatch + Promise.all. Same broker, same endpoint, same records, results published by all of them.
 * Rounds are interleaved; the rate is what the endpoint saw after a warm-up.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { type InvocationRequest, triggerInvocationRequests } from '@cf/contract';
import { KafkaLog, type MessageLog } from '@cf/messaging';
import { Candidate } from './candidate.ts';
import { median, round } from './figures.ts';
import { type BenchCustomer, serviceEnv, writeRegistry } from './registry-fixture.ts';

const PARTITIONS = 12;
const KEYS = 5_000;
const CONCURRENCY = 256;
const NAMES = ['invoker', 'eachBatch', 'nest'] as const;
type Name = (typeof NAMES)[number];

export interface ThroughputOptions {
  readonly brokers: string;
  readonly databaseUrl: string;
  readonly dataDir: string;
  readonly target: string;
  readonly rounds: number;
}

interface Round {
  readonly callsPerSecond: number;
  readonly cpuUsPerCall: number | null;
}

/** Calls that a candidate makes before it is measured, and those measured. Nest's transport is slow enough to be warm sooner. */
const CALLS: Readonly<Record<Name, { warm: number; measured: number }>> = {
  invoker: { warm: 20_000, measured: 60_000 },
  eachBatch: { warm: 20_000, measured: 60_000 },
  nest: { warm: 2_000, measured: 6_000 },
};

const stats = async (target: string): Promise<{ calls: number }> => (await (await fetch(`${target}/stats`)).json()) as { calls: number };

const feed = async (log: MessageLog, topic: string, customer: BenchCustomer, count: number): Promise<void> => {
  const publisher = log.createPublisher('feed', 'trigger');
  const body = JSON.stringify({ type: 'ChatOpened', pad: 'x'.repeat(300) });
  const chats = Array.from({ length: KEYS }, () => randomUUID());
  const acceptedAt = new Date().toISOString();
  for (let sent = 0; sent < count; sent += 5_000) {
    const batch = Array.from({ length: Math.min(5_000, count - sent) }, (_, index) => {
      const chatId = chats[(sent + index) % KEYS] ?? randomUUID();
      const invocationId = randomUUID();
      const request: InvocationRequest = {
        ...triggerInvocationRequests.example,
        invocationId,
        orgId: customer.orgId,
        cloudFunctionId: customer.cloudFunctionId,
        chatId,
        body,
        acceptedAt,
        configOffset: null,
      };
      return publisher.publish({
        topic,
        key: chatId,
        value: JSON.stringify(request),
        headers: {
          'content-type': 'application/json',
          'org-id': customer.orgId,
          'function-id': customer.cloudFunctionId,
          'invocation-id': invocationId,
          seq: '0',
          'chat-id': chatId,
        },
      });
    });
    await Promise.all(batch);
  }
  await publisher.close();
};

const measure = async (name: Name, options: ThroughputOptions): Promise<Round> => {
  const prefix = `bench${Date.now()}.`;
  const log = new KafkaLog({ brokers: [options.brokers], clientId: 'bench', topicPrefix: prefix });
  await log.start();
  const spec = { partitions: PARTITIONS, cleanup: 'delete', retentionMs: null, messageBytesMax: 2 * 1024 * 1024 } as const;
  await log.ensureTopics([
    { ...spec, name: triggerInvocationRequests.name },
    { ...spec, name: 'out' },
  ]);
  const customer = await writeRegistry(log, options.target);
  const { warm, measured } = CALLS[name];
  await feed(log, triggerInvocationRequests.name, customer, warm + measured + 2_000);
  await fetch(`${options.target}/reset`, { method: 'POST' });

  const peer = {
    BROKERS: options.brokers,
    IN: prefix + triggerInvocationRequests.name,
    OUT: `${prefix}out`,
    GROUP: `${prefix}group`,
    TARGET: options.target,
    CONCURRENCY: String(CONCURRENCY),
  };
  const candidate =
    name === 'invoker'
      ? Candidate.run('apps/invoker/dist/main.js', { ...serviceEnv(options, prefix), INVOKER_LANES: 'trigger' })
      : Candidate.run(name === 'nest' ? 'bench/peers/nest-default.mjs' : 'bench/peers/each-batch.ts', peer);
  try {
    const until = async (calls: number): Promise<void> => {
      for (const giveUpAt = Date.now() + 180_000; (await stats(options.target)).calls < calls; await pause(20)) {
        if (Date.now() > giveUpAt) throw new Error(`${name} made only ${(await stats(options.target)).calls} of ${calls} calls`);
      }
    };
    await until(warm);
    const [startedAt, callsBefore, cpuBefore] = [performance.now(), (await stats(options.target)).calls, candidate.cpuMs()];
    await until(warm + measured);
    const [endedAt, callsAfter, cpuAfter] = [performance.now(), (await stats(options.target)).calls, candidate.cpuMs()];
    const calls = callsAfter - callsBefore;
    return {
      callsPerSecond: Math.round((calls / (endedAt - startedAt)) * 1_000),
      cpuUsPerCall: cpuBefore === null || cpuAfter === null ? null : Math.round(((cpuAfter - cpuBefore) * 1_000) / calls),
    };
  } finally {
    await candidate.stop(name === 'invoker' ? 'SIGTERM' : 'SIGKILL');
    await log.close();
  }
};

export const measureThroughput = async (options: ThroughputOptions): Promise<object> => {
  const rounds: Record<Name, Round[]> = { invoker: [], eachBatch: [], nest: [] };
  for (let index = 0; index < options.rounds; index++) {
    for (const name of NAMES) {
      const result = await measure(name, options);
      rounds[name].push(result);
      process.stdout.write(`  round ${index + 1} ${name}: ${result.callsPerSecond} calls/s, ${result.cpuUsPerCall ?? '?'} µs CPU a call\n`);
    }
  }
  const rate = (name: Name): number => median(rounds[name].map(({ callsPerSecond }) => callsPerSecond));
  const cpu = (name: Name): number => median(rounds[name].map(({ cpuUsPerCall }) => cpuUsPerCall ?? Number.NaN));
  return {
    partitions: PARTITIONS,
    concurrency: CONCURRENCY,
    rounds,
    medians: Object.fromEntries(NAMES.map((name) => [name, { callsPerSecond: rate(name), cpuUsPerCall: cpu(name) }])),
    ratios: { invokerToEachBatch: round(rate('invoker') / rate('eachBatch'), 2), invokerToNest: round(rate('invoker') / rate('nest'), 2) },
  };
};
