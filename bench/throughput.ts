/**
 * Calls a second: our invoker with everything on (validation, bulkhead, breaker, address guard, authorization, records), as one process and as two,
 * beside Confluent's parallel consumer with its Vert.x module, Nest's own Kafka transport and kafkajs eachBatch + Promise.all. Same broker, same
 * endpoint, the very same records, as many calls at once, results published by all of them. Rounds are interleaved.
 */
import { type Contenders, isFramework, type Peer } from './contenders.ts';
import { round } from './figures.ts';
import { measureDrain, measureRate, mediansOf, PARTITIONS, type Rate, setStage, type Stage, type Where } from './stage.ts';
import type { Workload } from './workloads.ts';

const CHATS = 5_000;
/** The JVM was seen at 32,831 on two cores, and a backlog that runs dry cuts its window short; 3 s of so many take 110 MB of the broker's disk. */
const CALLS_PER_SECOND_MAX = 33_000;
const FRAMEWORK_ROUNDS_MAX = 2;
const WARM_CALLS = 20_000;

export interface ThroughputOptions {
  readonly where: Where;
  readonly contenders: Contenders;
  readonly rounds: number;
  readonly seconds: number;
}

/** Calls before the measured ones; JVMs are warm already, our processes begin anew each time and compile for as long. */
const warmCalls = (peer: Peer, { functions }: Workload): number => {
  if (peer === 'nest') return 400;
  if (peer.startsWith('jvm')) return functions > 1 ? 2_000 : 5_000;
  return WARM_CALLS;
};

const measure = async (peer: Peer, workload: Workload, stage: Stage, options: ThroughputOptions): Promise<Rate> => {
  const running = await options.contenders.run(peer, stage);
  try {
    if (workload.drain !== undefined) return await measureDrain(stage, running);
    return await measureRate(stage, running, warmCalls(peer, workload), options.seconds * 1_000);
  } finally {
    await running.stop();
  }
};

const takesPart = (peer: Peer, { framework = false, aside = false }: Workload): boolean =>
  aside ? peer === 'invoker' : framework || !isFramework(peer);

const recordsFor = ({ ceiling, drain }: Workload, seconds: number): number =>
  drain ?? Math.ceil((WARM_CALLS + (ceiling ?? CALLS_PER_SECOND_MAX) * seconds) * 1.1);

export const measureThroughput = async (workload: Workload, options: ThroughputOptions): Promise<object> => {
  const { where, contenders, seconds } = options;
  const chosen = contenders.peers.filter((peer) => takesPart(peer, workload));
  const paths = Array.from({ length: workload.functions }, (_, index) => workload.pathOf(index));
  const stage = await setStage(where, `${workload.name}-`, { ...workload, records: recordsFor(workload, seconds), paths, chats: CHATS });
  const rounds = new Map<Peer, Rate[]>(chosen.map((peer) => [peer, []]));
  for (let index = 0; index < options.rounds; index++) {
    for (const peer of chosen) {
      if (isFramework(peer) && index >= FRAMEWORK_ROUNDS_MAX) continue;
      const rate = await measure(peer, workload, stage, options);
      rounds.get(peer)?.push(rate);
      const { callsPerSecond, cpuUsPerCall, calls, endpointCore } = rate;
      process.stdout.write(
        `  ${workload.name} round ${index + 1} ${peer}: ${callsPerSecond} calls/s, ${cpuUsPerCall ?? '?'} µs CPU a call (${calls} calls), endpoint at ${endpointCore} cores\n`,
      );
    }
  }
  await stage.clear();
  const medians = chosen.map((peer) => [peer, mediansOf(rounds.get(peer) ?? [])] as const);
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
  return {
    partitions: PARTITIONS,
    ceiling,
    ofCeiling: ceiling === null ? null : round((ours?.callsPerSecond ?? 0) / ceiling, 2),
    rounds: Object.fromEntries(rounds),
    medians: Object.fromEntries(medians),
    ratios: Object.fromEntries(ratios),
  };
};
