/**
 * What a dead function does to nineteen others that take all there is: our invoker works off a backlog of twenty functions, in one arm of a round all of them
 * answer, in the other one never does. Both arms read the very same records, and rates are those of the nineteen.
 */
import type { Candidate } from './candidate.ts';
import { runInvokers } from './contenders.ts';
import { median, round, spread } from './figures.ts';
import { outcomesOf } from './metric-of.ts';
import { measureRate, mediansOf, type Rate, setStage, type Stage, tellEndpoint, type Where } from './stage.ts';

const FUNCTIONS = 20;
const WARM_CALLS = 20_000;
/** Ours was seen at 11,833 on two cores. */
const CALLS_PER_SECOND_MAX = 12_000;

/** Each chat has many events, so the dead function's requests wait behind others of their chat; one of 500 has ten times as many as the rest. */
const CHATS = {
  '500 chats': { chats: 500, hotShare: 0.02 },
  '60 chats': { chats: 60, hotShare: 0 },
} as const;

export interface SaturationOptions {
  readonly where: Where;
  readonly rounds: number;
  /** Calls that hang time out after 10 s, which opens the circuit: longer than that shows both. */
  readonly seconds: number;
}

interface Arm extends Rate {
  /** Of all twenty: `done` aside they are the dead one's. */
  readonly outcomes: Readonly<Record<string, number>>;
}

interface Round {
  readonly allWell: Arm;
  readonly oneDead: Arm;
}

const measure = async (stage: Stage, seconds: number, isDead: boolean): Promise<Arm> => {
  const { target } = stage.where;
  await tellEndpoint(target, 'reset');
  if (!isDead) await tellEndpoint(target, 'release');
  const running = runInvokers(stage, 1);
  try {
    const rate = await measureRate(stage, running, WARM_CALLS, seconds * 1_000);
    return { ...rate, outcomes: await outcomesOf(running.programs[0] as Candidate) };
  } finally {
    await tellEndpoint(target, 'release');
    await running.stop();
  }
};

const compare = async (name: keyof typeof CHATS, { where, rounds: count, seconds }: SaturationOptions): Promise<object> => {
  const paths = Array.from({ length: FUNCTIONS }, (_, index) => (index === 0 ? '/hang' : '/ok'));
  const records = Math.ceil((WARM_CALLS + CALLS_PER_SECOND_MAX * seconds) * (FUNCTIONS / (FUNCTIONS - 1)) * 1.1);
  const stage = await setStage(where, 'saturation', { records, paths, ...CHATS[name] });
  const rounds: Round[] = [];
  for (let index = 0; index < count; index++) {
    const one = { allWell: await measure(stage, seconds, false), oneDead: await measure(stage, seconds, true) };
    rounds.push(one);
    process.stdout.write(`  ${name}, round ${index + 1}, the others: ${JSON.stringify(one)}\n`);
  }
  await stage.clear();
  const ratios = rounds.map(({ allWell, oneDead }) => round(oneDead.callsPerSecond / allWell.callsPerSecond, 2));
  return {
    rounds,
    medians: {
      'all well': mediansOf(rounds.map(({ allWell }) => allWell)),
      'one dead': mediansOf(rounds.map(({ oneDead }) => oneDead)),
    },
    ratio: { median: median(ratios), from: spread(ratios) },
    outcomes: rounds.at(-1)?.oneDead.outcomes,
  };
};

export const measureSaturation = async (options: SaturationOptions): Promise<object> => {
  const byChats: Record<string, object> = {};
  for (const name of Object.keys(CHATS) as (keyof typeof CHATS)[]) byChats[name] = await compare(name, options);
  return { functions: FUNCTIONS, byChats };
};
