/**
 * Whether a call costs the same however many chats wait and however many functions are called: CPU time per call of the invoker from 100 to 100,000 chats
 * in memory at once, and from 10 to 10,000 functions; with the timers and the heap that they take, circuits open included.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Candidate } from './candidate.ts';
import { runInvokers } from './contenders.ts';
import { median, round, spread } from './figures.ts';
import { metricOf } from './metric-of.ts';
import { measureRate, type Rate, setStage, type Stage, statsOf, tellEndpoint, type Where } from './stage.ts';

const CHATS = [100, 1_000, 10_000, 100_000] as const;
const FUNCTIONS = [10, 100, 1_000, 10_000] as const;
/** Thousands of open circuits; one opens at 20 calls in 10 s, so a function's come in a row, few others between them. */
const FAILING = { functions: 4_000, callsInARow: 25, windowRecords: 5_000 } as const;
/** By then the first of them are half open. */
const OPENING_MS_MAX = 30_000;
/** One in so many calls is made before the measured ones. */
const WARM_SHARE = 10;

export interface FlatnessOptions {
  readonly where: Where;
  /** Twice the most chats: while the first half is worked off, each chat of the second half waits in memory. */
  readonly records: number;
  readonly rounds: number;
  readonly seconds: number;
}

interface Inside {
  readonly timers: number;
  readonly heapUsedMiB: number;
  readonly kinds: Readonly<Record<string, number>>;
}

interface Point extends Rate {
  /** Records in memory when the measurement began. */
  readonly waiting: number;
  readonly inside: Inside;
}

const lookInside = async (invoker: Candidate): Promise<Inside> =>
  JSON.parse(/probe (.*)\n/.exec(await invoker.signal('SIGUSR2', /probe .*\n/))?.[1] ?? '{}') as Inside;

/** Room for all chats at once; small requests, since a lane's 64 MiB hold for these too. */
const ENV = { INVOKER_TRIGGER_WINDOW_RECORDS: '150000', NODE_OPTIONS: '--import=./bench/probe.ts' };

const measure = async (stage: Stage, seconds: number): Promise<Point> => {
  const warm = stage.callable / WARM_SHARE;
  await tellEndpoint(stage.where.target, 'reset');
  const running = runInvokers(stage, 1, ENV);
  const invoker = running.programs[0] as Candidate;
  try {
    await invoker.ready;
    while ((await statsOf(stage.where.target)).calls < warm / 2) await pause(20);
    const waiting = await metricOf(invoker, 'cf_consumer_queued_records');
    const rate = await measureRate(stage, running, warm, seconds * 1_000);
    return { ...rate, waiting, inside: await lookInside(invoker) };
  } finally {
    await running.stop();
  }
};

const settle = async (
  points: readonly { readonly name: string; readonly stage: Stage }[],
  { rounds, seconds }: FlatnessOptions,
): Promise<Record<string, object>> => {
  const all = new Map<string, Point[]>(points.map(({ name }) => [name, []]));
  for (let index = 0; index < rounds; index++) {
    for (const { name, stage } of points) {
      const point = await measure(stage, seconds);
      all.get(name)?.push(point);
      process.stdout.write(`  round ${index + 1}, ${name}: ${JSON.stringify(point)}\n`);
    }
  }
  await Promise.all(points.map(({ stage }) => stage.clear()));
  return Object.fromEntries(
    [...all].map(([name, of]) => {
      const cpu = of.map((each) => each.cpuUsPerCall ?? Number.NaN);
      return [
        name,
        {
          cpuUsPerCall: median(cpu),
          from: spread(cpu),
          callsPerSecond: median(of.map((each) => each.callsPerSecond)),
          waiting: median(of.map((each) => each.waiting)),
          timers: median(of.map((each) => each.inside.timers)),
          handles: median(of.map((each) => Object.values(each.inside.kinds).reduce((sum, count) => sum + count, 0))),
          heapUsedMiB: median(of.map((each) => each.inside.heapUsedMiB)),
        },
      ] as const;
    }),
  );
};

/** Circuits that are open, and what they take. */
const measureOpenCircuits = async (where: Where): Promise<object> => {
  const { functions, callsInARow, windowRecords } = FAILING;
  const paths = Array.from({ length: functions }, () => '/status/500');
  const stage = await setStage(where, 'open', {
    records: functions * callsInARow,
    inARow: callsInARow,
    paths,
    chats: 1_000,
    bodyBytes: 40,
  });
  await tellEndpoint(where.target, 'reset');
  const running = runInvokers(stage, 1, { ...ENV, INVOKER_TRIGGER_WINDOW_RECORDS: String(windowRecords) });
  const invoker = running.programs[0] as Candidate;
  const circuitsOpen = (): Promise<number> => metricOf(invoker, 'cf_circuit_state', 'state="open"');
  try {
    await invoker.ready;
    for (const giveUpAt = Date.now() + OPENING_MS_MAX; Date.now() < giveUpAt && (await circuitsOpen()) < functions; ) await pause(200);
    const result = { failing: functions, circuitsOpen: await circuitsOpen(), ...(await lookInside(invoker)) };
    process.stdout.write(`  ${JSON.stringify(result)}\n`);
    return result;
  } finally {
    await running.stop();
    await stage.clear();
  }
};

const flatOver = (points: Record<string, object>): number => {
  const costs = Object.values(points).map((point) => (point as { cpuUsPerCall: number }).cpuUsPerCall);
  return round((costs.at(-1) ?? Number.NaN) / (costs[0] ?? Number.NaN), 2);
};

export const measureFlatness = async (options: FlatnessOptions): Promise<object> => {
  const { where, records } = options;
  const chats = [];
  for (const count of CHATS) {
    const backlog = { records, paths: ['/ok'], chats: count, bodyBytes: 40 };
    chats.push({ name: `${count} chats`, stage: await setStage(where, 'chats', backlog) });
  }
  const byChats = await settle(chats, options);
  const functions = [];
  for (const count of FUNCTIONS) {
    const backlog = { records: records / 2, paths: Array.from({ length: count }, () => '/ok'), chats: 5_000, bodyBytes: 40 };
    functions.push({ name: `${count} functions`, stage: await setStage(where, 'functions', backlog) });
  }
  const byFunctions = await settle(functions, options);
  return {
    byChats,
    byFunctions,
    open: await measureOpenCircuits(where),
    ratios: { 'most chats to fewest': flatOver(byChats), 'most functions to fewest': flatOver(byFunctions) },
  };
};
