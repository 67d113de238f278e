/**
 * Requests come half as fast again as the endpoint answers, for minutes; then the endpoint recovers. The backlog has to grow in the log and nowhere else:
 * memory of the invoker stays within its budget, nothing dies, all of it is worked off, each request once.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { triggerInvocationRequests } from '@cf/contract';
import type { Candidate } from './candidate.ts';
import { runInvokers, TRIGGER_GROUP } from './contenders.ts';
import { atRate, triggerRequestRecord } from './feed.ts';
import { metricOf, outcomesOf } from './metric-of.ts';
import { openLog, setStage, statsOf, tellEndpoint, type Where } from './stage.ts';

const PER_SECOND = 960;
const CALLS_MAX = 128;
const PACE_MS = 200;
const BODY_BYTES = 2_000;
const CHATS = 20_000;
const DRAIN_MS_MAX = 10 * 60_000;

export interface OverloadOptions {
  readonly where: Where;
  readonly minutes: number;
  /** Of the invoker's process, resident. */
  readonly budgetMiB: number;
}

interface Sample {
  readonly second: number;
  readonly rssMiB: number;
  readonly heapUsedMiB: number;
  /** Buffers outside the heap: records as they came, sockets. */
  readonly externalMiB: number;
  readonly bufferedMiB: number;
  readonly inFlight: number;
  readonly lag: number;
}

export const measureOverload = async ({ where, minutes, budgetMiB }: OverloadOptions): Promise<object> => {
  const stage = await setStage(where, 'overload', { records: 0, paths: ['/slow'], chats: 1 });
  const log = await openLog(where.brokers, stage.prefix, [triggerInvocationRequests.name]);
  const running = runInvokers(stage, 1, { INVOKER_TRIGGER_CALLS_MAX: String(CALLS_MAX) });
  const invoker = running.programs[0] as Candidate;
  const series: Sample[] = [];
  const startedAt = performance.now();
  const lag = async (): Promise<number> => {
    const ends = await log.endOffsets(triggerInvocationRequests.name);
    const committed = await log.committedOffsets(TRIGGER_GROUP, triggerInvocationRequests.name);
    return ends.reduce((sum, end, partition) => sum + end - (committed[partition] ?? 0), 0);
  };
  const mebibytes = async (metric: string): Promise<number> => Math.round((await metricOf(invoker, metric)) / 2 ** 20);
  const sample = async (): Promise<Sample> => {
    const one: Sample = {
      second: Math.round((performance.now() - startedAt) / 1_000),
      rssMiB: invoker.rssMiB(),
      heapUsedMiB: await mebibytes('nodejs_heap_size_used_bytes'),
      externalMiB: await mebibytes('nodejs_external_memory_bytes'),
      bufferedMiB: await mebibytes('cf_consumer_buffered_bytes'),
      inFlight: await metricOf(invoker, 'cf_consumer_in_flight'),
      lag: await lag(),
    };
    series.push(one);
    process.stdout.write(`  ${JSON.stringify(one)}\n`);
    return one;
  };
  try {
    await tellEndpoint(where.target, 'reset');
    await tellEndpoint(where.target, `pace/${PACE_MS}`);
    await invoker.ready;
    const rssAtReadyMiB = invoker.rssMiB();
    const publisher = log.createPublisher('drive');
    const { orgId, cloudFunctionIds } = stage.customer;
    const chats = Array.from({ length: CHATS }, () => randomUUID());
    const body = JSON.stringify({ pad: 'x'.repeat(BODY_BYTES) });
    let published = 0;
    let overloaded = true;
    const feeding = atRate(PER_SECOND, minutes * 60, (index) => {
      published++;
      const chatId = chats[index % CHATS] ?? '';
      void publisher.publish(triggerRequestRecord({ orgId, cloudFunctionId: cloudFunctionIds[0] ?? '', chatId, body }));
    }).then(() => (overloaded = false));
    const everyMs = Math.max(2_000, (minutes * 60_000) / 40);
    while (overloaded) {
      await Promise.race([pause(everyMs), feeding]);
      await sample();
    }
    await publisher.close();
    const lagAtTheEnd = await lag();
    await tellEndpoint(where.target, 'pace/0');
    const recoveredAt = performance.now();
    for (const giveUpAt = Date.now() + DRAIN_MS_MAX; (await sample()).lag > 0 && Date.now() < giveUpAt; ) await pause(2_000);
    const rssPeakMiB = Math.max(...series.map(({ rssMiB }) => rssMiB));
    return {
      minutes,
      arrivingPerSecond: PER_SECOND,
      answeredPerSecond: (CALLS_MAX * 1_000) / PACE_MS,
      published,
      called: (await statsOf(where.target)).calls,
      // What was not called was deferred, which is a result too.
      outcomes: await outcomesOf(invoker),
      lagAtTheEnd,
      drainedInSeconds: Math.round((performance.now() - recoveredAt) / 1_000),
      lagAfterwards: series.at(-1)?.lag,
      rssAtReadyMiB,
      rssPeakMiB,
      budgetMiB,
      withinBudget: rssPeakMiB <= budgetMiB,
      bufferedPeakMiB: Math.max(...series.map(({ bufferedMiB }) => bufferedMiB)),
      series,
    };
  } finally {
    await running.stop();
    await log.close();
    await stage.clear();
  }
};
