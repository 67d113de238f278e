/**
 * A backlog of trigger requests that candidates work off, one after the other, each from its beginning: a topic is fed once, whatever is measured on it
 * afterwards, so all of them get the same records. Rates are what the endpoint saw.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { triggerInvocationRequests } from '@cf/contract';
import { KafkaLog } from '@cf/messaging';
import { Kafka, logLevel } from 'kafkajs';
import type { Candidate } from './candidate.ts';
import { publishAll, triggerRequestRecord } from './feed.ts';
import { median, round, spread } from './figures.ts';
import { type BenchCustomer, writeRegistry } from './registry-fixture.ts';

export const PARTITIONS = 12;
/** Each chat calls as many functions, or all there are. */
const FUNCTIONS_OF_A_CHAT = 20;
/** Near the end of a backlog partitions run dry one by one. */
const USABLE = 0.93;
/** A start on a busy machine. */
const FIRST_CALL_MS_MAX = 60_000;

export interface Where {
  readonly brokers: string;
  readonly databaseUrl: string;
  readonly dataDir: string;
  readonly target: string;
  readonly endpoint: Candidate;
}

export interface Backlog {
  readonly records: number;
  /** Where function number n is called; their number. */
  readonly paths: readonly string[];
  readonly chats: number;
  /** So many records of a function follow each other; else its turn comes once in a round of all. */
  readonly inARow?: number;
  /** Share of records that belong to one chat. */
  readonly hotShare?: number;
  readonly signed?: boolean;
  readonly maxConcurrency?: number;
  readonly bodyBytes?: number;
}

export interface Stage {
  readonly where: Where;
  readonly prefix: string;
  /** Calls that the endpoint will count. */
  readonly callable: number;
  readonly customer: BenchCustomer;
  /** Topics and groups, hundreds of MB that nobody reads again. */
  clear(): Promise<void>;
  /** What this group read already, so that it begins anew. */
  forgetGroup(group: string): Promise<void>;
}

export interface Running {
  cpuMs(): number | null;
  rssMiB(): number;
  stop(): Promise<void>;
}

export interface Rate {
  readonly callsPerSecond: number;
  readonly cpuUsPerCall: number | null;
  /** Calls that the figures are of; few mean that the contender stood still or had worked off the backlog before. */
  readonly calls: number;
  /** Share of one core that the endpoint took, which shows whether it was the bottleneck. */
  readonly endpointCore: number;
}

interface Stats {
  readonly calls: number;
  readonly firstAt: number;
  readonly lastAt: number;
}

export const statsOf = async (target: string): Promise<Stats> => (await (await fetch(`${target}/stats`)).json()) as Stats;
export const tellEndpoint = async (target: string, what: string): Promise<void> =>
  void (await (await fetch(`${target}/${what}`, { method: 'POST' })).text());

const withAdmin = async <T>(brokers: string, work: (admin: ReturnType<Kafka['admin']>) => Promise<T>): Promise<T> => {
  const admin = new Kafka({ brokers: [brokers], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  try {
    return await work(admin);
  } finally {
    await admin.disconnect();
  }
};

export const openLog = async (brokers: string, topicPrefix: string, names: readonly string[]): Promise<KafkaLog> => {
  const log = new KafkaLog({ brokers: [brokers], clientId: 'bench', topicPrefix });
  await log.start();
  const spec = { partitions: PARTITIONS, cleanup: 'delete', retentionMs: null, messageBytesMax: 2 * 1024 * 1024 } as const;
  await log.ensureTopics(names.map((name) => ({ ...spec, name })));
  return log;
};

export const forgetTopics = (brokers: string, prefix: string): Promise<void> =>
  withAdmin(brokers, async (admin) => {
    await admin.deleteTopics({ topics: (await admin.listTopics()).filter((topic) => topic.startsWith(prefix)) });
  });

export const setStage = async (where: Where, name: string, backlog: Backlog): Promise<Stage> => {
  const prefix = `${name}${Date.now()}.`;
  const log = await openLog(where.brokers, prefix, [triggerInvocationRequests.name, 'out']);
  const { paths, records, chats, inARow = 1, hotShare = 0, bodyBytes = 340 } = backlog;
  const customer = await writeRegistry(
    log,
    where.target,
    paths.map((path) => path.slice(1)),
    backlog,
  );
  const chatIds = Array.from({ length: chats }, () => randomUUID());
  const body = JSON.stringify({ type: 'ChatOpened', pad: 'x'.repeat(bodyBytes - 31) });
  await publishAll(log, records, (index) => {
    const turn = Math.floor(index / inARow) % paths.length;
    const chat = Math.random() < hotShare ? 0 : Math.floor(index / Math.min(paths.length, FUNCTIONS_OF_A_CHAT)) % chats;
    return triggerRequestRecord({
      orgId: customer.orgId,
      cloudFunctionId: customer.cloudFunctionIds[turn] ?? '',
      chatId: chatIds[chat] ?? '',
      body,
      path: paths[turn] ?? '',
    });
  });
  await log.close();
  const hanging = paths.filter((path) => path === '/hang').length;
  return {
    where,
    prefix,
    callable: Math.floor(records * (1 - hanging / paths.length)),
    customer,
    clear: () => forgetTopics(where.brokers, prefix),
    forgetGroup: (group) => withAdmin(where.brokers, async (admin) => void (await admin.deleteGroups([prefix + group]))),
  };
};

const until = async (target: string, calls: number, timeoutMs: number): Promise<void> => {
  for (const giveUpAt = Date.now() + timeoutMs; (await statsOf(target)).calls < calls && Date.now() < giveUpAt; ) await pause(20);
};

interface Instant {
  readonly atMs: number;
  readonly calls: number;
  readonly cpuMs: number | null;
  readonly endpointCpuMs: number;
}

const now = async ({ target, endpoint }: Where, running: Running): Promise<Instant> => ({
  calls: (await statsOf(target)).calls,
  atMs: performance.now(),
  cpuMs: running.cpuMs(),
  endpointCpuMs: endpoint.cpuMs() ?? Number.NaN,
});

const between = (before: Instant, after: Instant): Rate => {
  const [calls, ms] = [after.calls - before.calls, after.atMs - before.atMs];
  return {
    callsPerSecond: Math.round((calls / ms) * 1_000),
    cpuUsPerCall:
      before.cpuMs === null || after.cpuMs === null || calls === 0 ? null : Math.round(((after.cpuMs - before.cpuMs) * 1_000) / calls),
    calls,
    endpointCore: round((after.endpointCpuMs - before.endpointCpuMs) / ms, 2),
  };
};

/** What the rounds of one contender come to. */
export const mediansOf = (of: readonly Rate[]) => {
  const rates = of.map(({ callsPerSecond }) => callsPerSecond);
  return {
    callsPerSecond: median(rates),
    from: spread(rates),
    cpuUsPerCall: median(of.map(({ cpuUsPerCall }) => cpuUsPerCall ?? Number.NaN)),
    endpointCore: median(of.map(({ endpointCore }) => endpointCore)),
    rounds: of.length,
  };
};

/** After `warm` calls, for so long or until the backlog thins out. */
export const measureRate = async (
  stage: Pick<Stage, 'where' | 'callable'>,
  running: Running,
  warm: number,
  windowMs: number,
  warmMsMax = 10_000,
): Promise<Rate> => {
  const { where, callable } = stage;
  await until(where.target, 1, FIRST_CALL_MS_MAX);
  await until(where.target, warm, warmMsMax);
  const before = await now(where, running);
  await until(where.target, callable * USABLE, windowMs);
  return between(before, await now(where, running));
};

/** From the first call to the last, with all that a start costs. */
export const measureDrain = async (stage: Stage, running: Running): Promise<Rate & { readonly seconds: number }> => {
  const { where, callable } = stage;
  await until(where.target, 1, FIRST_CALL_MS_MAX);
  const before = await now(where, running);
  await until(where.target, callable, 120_000);
  const { calls, firstAt, lastAt } = await statsOf(where.target);
  const seconds = (lastAt - firstAt) / 1_000;
  return {
    ...between(before, await now(where, running)),
    callsPerSecond: Math.round(calls / seconds),
    seconds: round(seconds),
  };
};
