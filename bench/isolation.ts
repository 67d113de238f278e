/**
 * What a dead function does to others: 20 functions at a steady rate on the trigger lane, times from publish to result of 19 of them. Three arms in each
 * round: all well, one hanging, all well again; what the two that are alike differ by is noise.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { type InvocationResult, triggerInvocationRequests, triggerInvocationResults } from '@cf/contract';
import { Candidate } from './candidate.ts';
import { atRate, triggerRequestRecord } from './feed.ts';
import { median, quantile, round, spread } from './figures.ts';
import { serviceEnv, writeRegistry } from './registry-fixture.ts';
import { forgetTopics, openLog } from './stage.ts';

const FUNCTIONS = 20;
const PER_SECOND = 400;
/** Of the nineteen alone, then of all: the first calls that hang time out after 10 s, which opens the circuit; some of what is measured lies before. */
const WARM_SECONDS = { others: 8, all: 6 } as const;

export interface IsolationOptions {
  readonly brokers: string;
  readonly databaseUrl: string;
  readonly dataDir: string;
  readonly target: string;
  readonly rounds: number;
  readonly seconds: number;
}

interface Latency {
  readonly answered: number;
  readonly of: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

const measure = async (options: IsolationOptions, pathOfFirst: string): Promise<Latency> => {
  const prefix = `isolation${Date.now()}.`;
  const log = await openLog(options.brokers, prefix, [triggerInvocationRequests.name, triggerInvocationResults.name]);
  const paths = Array.from({ length: FUNCTIONS }, (_, index) => (index === 0 ? pathOfFirst : 'ok'));
  const { orgId, cloudFunctionIds } = await writeRegistry(log, options.target, paths);
  const invoker = Candidate.run('apps/invoker/dist/main.js', { ...serviceEnv(options, prefix), INVOKER_LANES: 'trigger' });
  const sentAt = new Map<string, number>();
  const latencies: number[] = [];
  let of = 0;
  try {
    await invoker.ready;
    const reader = log.read({
      topic: triggerInvocationResults.name,
      from: 'beginning',
      onRecords: (_partition, records) => {
        const now = performance.now();
        for (const { value } of records) {
          const { request } = JSON.parse(String(value)) as InvocationResult;
          const at = sentAt.get(request.invocationId);
          if (at !== undefined && sentAt.delete(request.invocationId)) latencies.push(now - at);
        }
      },
    });
    await reader.positioned;
    const publisher = log.createPublisher('drive');
    const send = (index: number, measured: boolean): void => {
      const [invocationId, chatId] = [randomUUID(), randomUUID()];
      if (measured && index % FUNCTIONS !== 0) {
        sentAt.set(invocationId, performance.now());
        of++;
      }
      const cloudFunctionId = cloudFunctionIds[index % FUNCTIONS] ?? '';
      void publisher.publish(triggerRequestRecord({ invocationId, orgId, cloudFunctionId, chatId, body: '{}' }));
    };
    await atRate(PER_SECOND, WARM_SECONDS.others, (index) => index % FUNCTIONS !== 0 && send(index, false));
    await atRate(PER_SECOND, WARM_SECONDS.all, (index) => send(index, false));
    await atRate(PER_SECOND, options.seconds, (index) => send(index, true));
    for (const giveUpAt = Date.now() + 5_000; sentAt.size > 0 && Date.now() < giveUpAt; ) await pause(50);
    await Promise.all([reader.close(), publisher.close()]);
    return { answered: latencies.length, of, p50Ms: round(quantile(latencies, 0.5)), p99Ms: round(quantile(latencies, 0.99)) };
  } finally {
    await invoker.stop('SIGKILL');
    await log.close();
    await forgetTopics(options.brokers, prefix);
  }
};

export const measureIsolation = async (options: IsolationOptions): Promise<object> => {
  const rounds: { allWell: Latency; oneDead: Latency; again: Latency }[] = [];
  for (let index = 0; index < options.rounds; index++) {
    const [allWell, oneDead, again] = [await measure(options, 'ok'), await measure(options, 'hang'), await measure(options, 'ok')];
    rounds.push({ allWell, oneDead, again });
    const told = Object.entries({ 'all well': allWell, 'one dead': oneDead, 'all well again': again });
    const text = told.map(([arm, { p50Ms, p99Ms }]) => `${arm} p50 ${p50Ms} ms, p99 ${p99Ms} ms`).join('; ');
    process.stdout.write(`  round ${index + 1}, the others: ${text}\n`);
  }
  const well = rounds.flatMap(({ allWell, again }) => [allWell, again]);
  const figures = (of: readonly Latency[]): object => ({
    p50Ms: median(of.map(({ p50Ms }) => p50Ms)),
    p99Ms: median(of.map(({ p99Ms }) => p99Ms)),
    p99From: spread(of.map(({ p99Ms }) => p99Ms)),
    answered: round(of.reduce((sum, { answered }) => sum + answered, 0) / of.reduce((sum, each) => sum + each.of, 0), 3),
  });
  const besides = rounds.map(({ allWell, oneDead, again }) => oneDead.p99Ms / ((allWell.p99Ms + again.p99Ms) / 2));
  const noise = rounds.map(({ allWell, again }) => again.p99Ms / allWell.p99Ms);
  const ratio = (of: readonly number[]): object => ({ median: round(median(of), 2), from: spread(of.map((each) => round(each, 2))) });
  return {
    functions: FUNCTIONS,
    perSecond: PER_SECOND,
    rounds,
    medians: { 'all well': figures(well), 'one dead': figures(rounds.map(({ oneDead }) => oneDead)) },
    ratiosOfP99: { 'one dead to all well': ratio(besides), 'all well to all well': ratio(noise) },
  };
};
