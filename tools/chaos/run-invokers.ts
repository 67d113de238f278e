/**
 * Several invokers and a step-executor as processes on a Kafka broker of their own, a load of triggers and steps published straight to the
 * topics, and faults all the while: SIGKILL, SIGSTOP for longer than a session, a rolling restart, a restart of the broker. Each worker finds
 * the endpoint's name at an address of its own, so that the endpoint knows who called. What happened is left in a folder for the checker.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { KafkaLog } from '@cf/messaging';
import { Program } from '../../apps/e2e/test/harness/processes.js';
import { serviceEnv, writeRegistry } from '../../bench/registry-fixture.js';
import { type LagFact, writeRun } from '../checker/invokers-facts.js';
import { startKafkaBroker } from '../kafka-broker.js';
import { ENDPOINT_URLS, InvocationsLoad } from './invocations-load.js';
import { type FaultKind, InvokerFleet, SESSION_MS } from './invoker-fleet.js';
import { WatchedEndpoint } from './watched-endpoint.js';
import { answersIn, lagsOf, writeTopicFacts } from './write-topic-facts.js';

export interface InvokersOptions {
  /** Where the facts go. */
  readonly folder: string;
  /** At least so many are sent, and until every fault has come once. */
  readonly invocations: number;
  readonly perSecond: number;
  readonly workers: number;
  readonly partitions: number;
  /** One round: what happens one after the other; those of one step at the same time, to different workers. */
  readonly faults: readonly (readonly FaultKind[])[];
  /** Before each step, at random up to this. */
  readonly pauseMsMax: number;
  readonly say?: (text: string) => void;
}

const PREFIX = 'chaos.';
const CALLS_MAX = { trigger: 128, step: 64 } as const;
/** Sent and without a result: what a stop of some seconds holds up. */
const WAITING_MAX = 20_000;
/** Longer than the endpoint takes for the slowest of them. */
const FUNCTION_TIMEOUT_MS = 30_000;
const SETTLED_MS_MAX = 120_000;
const START_MS_MAX = 60_000;

export const runInvokers = async (options: InvokersOptions): Promise<void> => {
  const { folder, partitions } = options;
  const dataDir = mkdtempSync(join(tmpdir(), 'cf-invokers-'));
  const [broker, endpoint] = await Promise.all([
    // Commits are facts: none is to be compacted away.
    startKafkaBroker({ properties: { 'log.cleaner.enable': 'false' } }),
    WatchedEndpoint.start(folder, options.workers),
  ]);
  const log = new KafkaLog({ brokers: [broker.address], clientId: 'chaos', topicPrefix: PREFIX });
  const env = {
    // Neither service needs a database.
    ...serviceEnv({ brokers: broker.address, databaseUrl: 'postgres://nobody@127.0.0.1:1/none', dataDir }, PREFIX),
    LOG_LEVEL: 'warn',
    KAFKA_SESSION_TIMEOUT_MS: String(SESSION_MS),
    INVOKER_TRIGGER_CALLS_MAX: String(CALLS_MAX.trigger),
    INVOKER_STEP_CALLS_MAX: String(CALLS_MAX.step),
    PARTITIONS_STEPS: String(partitions),
    PARTITIONS_TRIGGERS: String(partitions),
    PARTITIONS_EXECUTIONS: String(partitions),
  };
  const fleet = new InvokerFleet(options.workers, env, endpoint, broker);
  let executor: Program | null = null;
  try {
    await log.start();
    const customer = await writeRegistry(log, endpoint.url, ENDPOINT_URLS, { timeoutMs: FUNCTION_TIMEOUT_MS });
    executor = await Program.start('apps/step-executor/dist/main.js', env, START_MS_MAX);
    await fleet.start();

    const load = new InvocationsLoad(log, customer);
    const startedAt = performance.now();
    await underLoad(options, fleet, endpoint, log, load);
    options.say?.(`${load.sent} are sent; waiting until all have a result and are committed`);
    const lags = await settled(endpoint, log);
    const seconds = Math.round((performance.now() - startedAt) / 1_000);
    await endpoint.stop();
    const { triggers, steps } = load;
    const run = { workers: options.workers, callsMax: CALLS_MAX, triggers, steps, seconds };
    writeRun(folder, { run, faults: fleet.faults, lags });
    await writeTopicFacts(log, broker.address, PREFIX, folder);
  } finally {
    await Promise.allSettled([fleet.end(folder), executor?.kill9(), endpoint.stop(), log.close()]);
    await broker.stop();
    rmSync(dataDir, { recursive: true, force: true });
  }
};

const underLoad = async (
  { invocations, perSecond, faults, pauseMsMax, say }: InvokersOptions,
  fleet: InvokerFleet,
  endpoint: WatchedEndpoint,
  log: KafkaLog,
  load: InvocationsLoad,
): Promise<void> => {
  let answered = 0;
  let isStruck = false;
  let failed = false;
  const isEnough = (): boolean => failed || (isStruck && load.sent >= invocations);
  const watch = async (): Promise<void> => {
    // A broker that is away answers nothing, and nothing has a result meanwhile.
    for (; !isEnough(); await pause(100)) answered = await answersIn(log).catch(() => answered);
  };
  const strike = async (): Promise<void> => {
    await endpoint.progress(fleet.workers, isEnough);
    for (let round = 0; round === 0 || load.sent < invocations; round++) {
      for (const kinds of faults) {
        if (isEnough()) return;
        await pause(Math.random() * pauseMsMax);
        const first = Math.floor(Math.random() * fleet.workers.length);
        const struck = kinds.map((kind, index) => [kind, 1 + ((first + index) % fleet.workers.length)] as const);
        say?.(`${struck.map(([kind, worker]) => `${kind} (${worker})`).join(', ')}; ${load.sent} sent, ${answered} have a result`);
        await Promise.all(struck.map(([kind, worker]) => fleet.strike(kind, worker)));
        await endpoint.progress(fleet.workers, isEnough);
      }
      isStruck = true;
    }
  };
  const stopAll = (error: unknown): never => {
    failed = true;
    throw error;
  };
  const sending = load.run(perSecond, WAITING_MAX, () => answered, isEnough);
  await Promise.all([sending.catch(stopAll), watch().catch(stopAll), strike().catch(stopAll)]);
};

/** What is committed once nothing is left; as it is when that does not come. */
const settled = async (endpoint: WatchedEndpoint, log: KafkaLog): Promise<LagFact[]> => {
  for (const giveUpAt = Date.now() + SETTLED_MS_MAX; ; await pause(200)) {
    const isLast = Date.now() > giveUpAt;
    try {
      const [{ open }, lags] = [await endpoint.seen(), await lagsOf(log)];
      const isCommitted = lags.every(({ endOffset, committedOffset }) => endOffset === (committedOffset ?? 0));
      if ((open === 0 && isCommitted) || isLast) return lags;
    } catch (error) {
      // A broker that has just come back may not know its groups yet.
      if (isLast) throw error;
    }
  }
};
