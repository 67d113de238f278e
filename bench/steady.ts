/** A rate that every contender can hold, fed while it is measured: time from publishing a request to reading its result, and CPU time per call. */
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { type Contenders, isFramework, type Peer, resultTopicOf } from './contenders.ts';
import { atRate, triggerRequestRecord } from './feed.ts';
import { median, quantile, round, spread } from './figures.ts';
import { openLog, type Running, setStage, type Where } from './stage.ts';

const PER_SECOND = 1_000;
const DELAY_MS = 50;
const SECONDS = { warm: 3, measured: 6 } as const;
const CHATS = 5_000;

export interface SteadyOptions {
  readonly where: Where;
  readonly contenders: Contenders;
  readonly rounds: number;
}

interface Latency {
  readonly answered: number;
  readonly of: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly cpuUsPerCall: number | null;
}

const measure = async (peer: Peer, { where, contenders }: SteadyOptions): Promise<Latency> => {
  const path = `/delay/${DELAY_MS}`;
  const stage = await setStage(where, 'steady', { records: 0, paths: [path], chats: 1 });
  const results = resultTopicOf(peer);
  const log = await openLog(where.brokers, stage.prefix, [results]);
  const chats = Array.from({ length: CHATS }, () => randomUUID());
  const { orgId, cloudFunctionIds } = stage.customer;
  const sentAt = new Map<string, number>();
  const latencies: number[] = [];
  const reader = log.read({
    topic: results,
    from: 'beginning',
    onRecords: (_partition, records) => {
      const now = performance.now();
      for (const { value } of records) {
        const { invocationId } = (JSON.parse(String(value)) as { request: { invocationId: string } }).request;
        const at = sentAt.get(invocationId);
        if (at !== undefined && sentAt.delete(invocationId)) latencies.push(now - at);
      }
    },
  });
  await reader.positioned;
  const publisher = log.createPublisher('drive');
  const send = (): void => {
    const invocationId = randomUUID();
    sentAt.set(invocationId, performance.now());
    const chatId = chats[Math.floor(Math.random() * CHATS)] ?? '';
    void publisher.publish(
      triggerRequestRecord({ invocationId, orgId, cloudFunctionId: cloudFunctionIds[0] ?? '', chatId, body: '{}', path }),
    );
  };
  const answered = async (timeoutMs: number): Promise<void> => {
    for (const giveUpAt = Date.now() + timeoutMs; sentAt.size > 0 && Date.now() < giveUpAt; ) await pause(20);
  };
  const running: Running = await contenders.run(peer, stage);
  try {
    await atRate(PER_SECOND, SECONDS.warm, send);
    await answered(30_000);
    latencies.length = 0;
    const cpuBefore = running.cpuMs();
    await atRate(PER_SECOND, SECONDS.measured, send);
    const cpuAfter = running.cpuMs();
    await answered(5_000);
    const of = PER_SECOND * SECONDS.measured;
    return {
      answered: latencies.length,
      of,
      p50Ms: round(quantile(latencies, 0.5)),
      p99Ms: round(quantile(latencies, 0.99)),
      cpuUsPerCall: cpuBefore === null || cpuAfter === null ? null : Math.round(((cpuAfter - cpuBefore) * 1_000) / of),
    };
  } finally {
    await running.stop();
    await log.close();
    await stage.clear();
  }
};

export const measureSteady = async (options: SteadyOptions): Promise<object> => {
  const peers = options.contenders.peers.filter((peer) => !isFramework(peer));
  const rounds = new Map<Peer, Latency[]>(peers.map((peer) => [peer, []]));
  for (let index = 0; index < options.rounds; index++) {
    for (const peer of peers) {
      const latency = await measure(peer, options);
      rounds.get(peer)?.push(latency);
      process.stdout.write(`  steady round ${index + 1} ${peer}: ${JSON.stringify(latency)}\n`);
    }
  }
  const medians = peers.map((peer) => {
    const of = rounds.get(peer) ?? [];
    const all = (figure: 'p50Ms' | 'p99Ms'): number[] => of.map((each) => each[figure]);
    return [
      peer,
      {
        p50Ms: median(all('p50Ms')),
        p99Ms: median(all('p99Ms')),
        p99From: spread(all('p99Ms')),
        cpuUsPerCall: median(of.map((each) => each.cpuUsPerCall ?? Number.NaN)),
        unanswered: of.reduce((sum, each) => sum + each.of - each.answered, 0),
      },
    ] as const;
  });
  return { perSecond: PER_SECOND, delayMs: DELAY_MS, rounds: Object.fromEntries(rounds), medians: Object.fromEntries(medians) };
};
