/**
 * Calls a second: our invoker with everything on (validation, bulkhead, breaker, address guard, authorization, records) beside Confluent's
 * parallel consumer with its Vert.x module, Nest's own Kafka transport and kafkajs eachBatch + Promise.all. Same broker, same endpoint, same
 * records, results published by all of them. Rounds are interleaved; the rate is what the endpoint saw after a warm-up.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { type InvocationRequest, triggerInvocationRequests } from '@cf/contract';
import { KafkaLog, type MessageLog } from '@cf/messaging';
import { Kafka, logLevel } from 'kafkajs';
import { Candidate } from './candidate.ts';
import { median, round } from './figures.ts';
import { hasJvmPeer, jvmPeer } from './peers/jvm-peer.ts';
import { type BenchCustomer, serviceEnv, writeRegistry } from './registry-fixture.ts';
import type { Workload } from './workloads.ts';

const PARTITIONS = 12;
const KEYS = 5_000;
const CONCURRENCY = 256;
/** A candidate that a workload holds up is measured for so long and no longer. */
const MEASURED_MS_MAX = 45_000;

export type Peer = 'invoker' | 'jvm-key' | 'jvm-unordered' | 'eachBatch' | 'nest';

export interface ThroughputOptions {
  readonly brokers: string;
  readonly databaseUrl: string;
  readonly dataDir: string;
  readonly target: string;
  readonly rounds: number;
  readonly peers: readonly Peer[];
}

interface Round {
  readonly callsPerSecond: number;
  readonly cpuUsPerCall: number | null;
}

/** Calls before the measured ones. The JVM needs about 250,000 until it is warm where its speed is what counts. */
const warmCalls = (peer: Peer, { ceiling }: Workload): number => {
  if (peer === 'nest') return 1_000;
  if (peer === 'invoker' || peer === 'eachBatch') return ceiling === null ? 20_000 : ceiling * 4;
  return ceiling === null ? 250_000 : 30_000;
};
const measuredCalls = (peer: Peer, { ceiling }: Workload): number => (peer === 'nest' ? 4_000 : ceiling === null ? 80_000 : ceiling * 10);

const stats = async (target: string): Promise<{ calls: number }> => (await (await fetch(`${target}/stats`)).json()) as { calls: number };

const feed = async (log: MessageLog, customer: BenchCustomer, workload: Workload, count: number): Promise<void> => {
  const publisher = log.createPublisher('feed', 'trigger');
  const body = JSON.stringify({ type: 'ChatOpened', pad: 'x'.repeat(300) });
  const chats = Array.from({ length: KEYS }, () => randomUUID());
  const acceptedAt = new Date().toISOString();
  const requestOf = (index: number): InvocationRequest & { path: string } => ({
    ...triggerInvocationRequests.example,
    invocationId: randomUUID(),
    orgId: customer.orgId,
    cloudFunctionId: customer.cloudFunctionIds[index % workload.functions] ?? '',
    chatId: (Math.random() < workload.hotShare ? chats[0] : chats[Math.floor(index / workload.functions) % KEYS]) ?? null,
    body,
    acceptedAt,
    configOffset: null,
    // For the peers, which know no registry.
    path: workload.pathOf(index % workload.functions),
  });
  for (let sent = 0; sent < count; sent += 5_000) {
    const batch = Array.from({ length: Math.min(5_000, count - sent) }, (_, index) => {
      const request = requestOf(sent + index);
      const chatId = String(request.chatId);
      return publisher.publish({
        topic: triggerInvocationRequests.name,
        key: chatId,
        value: JSON.stringify(request),
        headers: {
          'content-type': 'application/json',
          'org-id': request.orgId,
          'function-id': request.cloudFunctionId,
          'invocation-id': request.invocationId,
          seq: '0',
          'chat-id': chatId,
        },
      });
    });
    await Promise.all(batch);
  }
  await publisher.close();
};

/** Hundreds of MB a round that nobody reads again. */
const forget = async (brokers: string, prefix: string): Promise<void> => {
  const admin = new Kafka({ brokers: [brokers], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  await admin.deleteTopics({ topics: (await admin.listTopics()).filter((topic) => topic.startsWith(prefix)) });
  await admin.disconnect();
};

const runPeer = (peer: Peer, options: ThroughputOptions, prefix: string): Candidate => {
  if (peer === 'invoker') {
    const env = { ...serviceEnv(options, prefix), INVOKER_LANES: 'trigger', INVOKER_TRIGGER_CALLS_MAX: String(CONCURRENCY) };
    return Candidate.run('apps/invoker/dist/main.js', env);
  }
  const env = {
    BROKERS: options.brokers,
    IN: prefix + triggerInvocationRequests.name,
    OUT: `${prefix}out`,
    GROUP: `${prefix}group`,
    TARGET: options.target,
    CONCURRENCY: String(CONCURRENCY),
  };
  if (peer === 'nest') return Candidate.run('bench/peers/nest-default.mjs', env);
  if (peer === 'eachBatch') return Candidate.run('bench/peers/each-batch.ts', env);
  return jvmPeer({ ...env, ORDER: peer === 'jvm-key' ? 'KEY' : 'UNORDERED' });
};

const measure = async (peer: Peer, workload: Workload, options: ThroughputOptions): Promise<Round> => {
  const prefix = `bench${Date.now()}.`;
  const log = new KafkaLog({ brokers: [options.brokers], clientId: 'bench', topicPrefix: prefix });
  await log.start();
  const spec = { partitions: PARTITIONS, cleanup: 'delete', retentionMs: null, messageBytesMax: 2 * 1024 * 1024 } as const;
  await log.ensureTopics([
    { ...spec, name: triggerInvocationRequests.name },
    { ...spec, name: 'out' },
  ]);
  const paths = Array.from({ length: workload.functions }, (_, index) => workload.pathOf(index).slice(1));
  const customer = await writeRegistry(log, options.target, paths, workload);
  const [warm, measured] = [warmCalls(peer, workload), measuredCalls(peer, workload)];
  await feed(log, customer, workload, Math.ceil((warm + measured) * 1.1));
  await fetch(`${options.target}/reset`, { method: 'POST' });

  const candidate = runPeer(peer, options, prefix);
  try {
    const until = async (calls: number, timeoutMs: number): Promise<void> => {
      for (const giveUpAt = Date.now() + timeoutMs; (await stats(options.target)).calls < calls && Date.now() < giveUpAt; ) await pause(20);
    };
    await until(warm, 120_000);
    const [startedAt, callsBefore, cpuBefore] = [performance.now(), (await stats(options.target)).calls, candidate.cpuMs()];
    await until(callsBefore + measured, MEASURED_MS_MAX);
    const [endedAt, callsAfter, cpuAfter] = [performance.now(), (await stats(options.target)).calls, candidate.cpuMs()];
    const calls = callsAfter - callsBefore;
    return {
      callsPerSecond: Math.round((calls / (endedAt - startedAt)) * 1_000),
      cpuUsPerCall: cpuBefore === null || cpuAfter === null || calls === 0 ? null : Math.round(((cpuAfter - cpuBefore) * 1_000) / calls),
    };
  } finally {
    await candidate.stop(peer === 'invoker' ? 'SIGTERM' : 'SIGKILL');
    await log.close();
    await forget(options.brokers, prefix);
  }
};

export const measureThroughput = async (workload: Workload, options: ThroughputOptions): Promise<object> => {
  const peers = options.peers.filter((peer) => !peer.startsWith('jvm') || hasJvmPeer());
  const rounds = new Map<Peer, Round[]>(peers.map((peer) => [peer, []]));
  for (let index = 0; index < options.rounds; index++) {
    for (const peer of peers) {
      const result = await measure(peer, workload, options);
      rounds.get(peer)?.push(result);
      process.stdout.write(
        `  ${workload.name} round ${index + 1} ${peer}: ${result.callsPerSecond} calls/s, ${result.cpuUsPerCall ?? '?'} µs CPU a call\n`,
      );
    }
  }
  const medians = peers.map((peer) => {
    const of = rounds.get(peer) ?? [];
    const callsPerSecond = median(of.map((each) => each.callsPerSecond));
    return [peer, { callsPerSecond, cpuUsPerCall: median(of.map((each) => each.cpuUsPerCall ?? Number.NaN)) }] as const;
  });
  const ours = medians.find(([peer]) => peer === 'invoker')?.[1];
  const ratios = medians
    .filter(([peer]) => peer !== 'invoker' && ours !== undefined)
    .map(([peer, theirs]) => [
      `invoker to ${peer}`,
      {
        rate: round((ours?.callsPerSecond ?? 0) / theirs.callsPerSecond, 2),
        cpu: round((ours?.cpuUsPerCall ?? 0) / theirs.cpuUsPerCall, 2),
      },
    ]);
  const { ceiling } = workload;
  const ofCeiling = ceiling === null ? null : round((ours?.callsPerSecond ?? 0) / ceiling, 2);
  return {
    partitions: PARTITIONS,
    concurrency: CONCURRENCY,
    ceiling,
    ofCeiling,
    rounds: Object.fromEntries(rounds),
    medians: Object.fromEntries(medians),
    ratios: Object.fromEntries(ratios),
  };
};
