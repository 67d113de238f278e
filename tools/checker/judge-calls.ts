/** The endpoint's log, call by call: what was called again, in which order, and what ran side by side. */
import { explainedBy, type Made, unawareBy } from './explain-by-faults.ts';
import { type Lane, ORDER_KEYS, orderKeyOf } from './invocation-plan.ts';
import type { CommitFact, Fault, InvokersFacts } from './invokers-facts.ts';

const VIOLATIONS_TOLD_MAX = 1_000;

export class Findings {
  readonly told: string[] = [];
  count = 0;

  broken(text: string): void {
    if (this.count++ < VIOLATIONS_TOLD_MAX) this.told.push(text);
  }
}

/** What a fault did. */
export interface FaultEffect {
  readonly fault: Fault;
  readonly repeated: Record<Lane, number>;
  /** Grows with what its worker called while it could not commit. */
  readonly repeatedMax: Record<Lane, number>;
  readonly uncommittedFromMs: number;
  overlaps: number;
}

/** Where the request of each invocation lies in its topic; the partition is -1 for one that does not. */
export interface Places {
  readonly partitionOf: Int16Array;
  readonly offsetOf: Int32Array;
}

/** Of triggers also what lies in each partition, in its order. */
export interface Requests extends Places {
  readonly partitions: readonly (readonly number[])[];
  readonly repeated: number;
}

/** Commits of a lane by partition, in the order of the broker. */
export type Commits = Readonly<Record<Lane, readonly CommitFact[][]>>;

interface Known {
  readonly places: Readonly<Record<Lane, Places>>;
  readonly commits: Commits;
  /** Of each step, ms since the epoch. */
  readonly deadlines: Float64Array;
  /** When each trigger was deferred first, infinite for one that was not. */
  readonly deferredAtMs: Float64Array;
}

/** What is committed at a time that never goes back. */
const watermarks = (commits: readonly CommitFact[][]): ((partition: number, atMs: number) => number) => {
  const cursors: number[] = [];
  return (partition, atMs) => {
    const of = commits[partition] ?? [];
    let next = cursors[partition] ?? 0;
    while (next < of.length && of[next]!.atMs < atMs) next++;
    cursors[partition] = next;
    return of[next - 1]?.offset ?? 0;
  };
};

/** How often each invocation of a lane was called, and the last call of it. */
export class Called {
  readonly times: Uint8Array;
  private readonly worker: Uint8Array;
  private readonly atMs: Float64Array;

  constructor(invocations: number) {
    this.times = new Uint8Array(invocations);
    this.worker = new Uint8Array(invocations);
    this.atMs = new Float64Array(invocations);
  }

  last(number: number): Made {
    return { worker: this.worker[number]!, atMs: this.atMs[number]! };
  }

  add(number: number, { worker, atMs }: Made): void {
    this.times[number] = Math.min(255, this.times[number]! + 1);
    this.worker[number] = worker;
    this.atMs[number] = atMs;
  }
}

interface OpenCall extends Made {
  readonly orderKey: number;
}

export interface Calls {
  readonly count: number;
  readonly called: Readonly<Record<Lane, Called>>;
  /** Made by workers that had lost their partitions and did not know. */
  readonly unaware: number;
}

export const judgeCalls = (
  facts: InvokersFacts,
  { places, commits, deadlines, deferredAtMs }: Known,
  effects: readonly FaultEffect[],
  found: Findings,
): Calls => {
  const { run, faults } = facts;
  const called = { trigger: new Called(run.triggers), step: new Called(run.steps) };
  const watermark = { trigger: watermarks(commits.trigger), step: watermarks(commits.step) };
  const struckUncommitted = effects.filter(({ fault, uncommittedFromMs }) => uncommittedFromMs < fault.fromMs);
  const open = new Map<number, OpenCall>();
  const openOf = new Map<number, Set<number>>();
  const highest = new Int32Array(ORDER_KEYS).fill(-1);
  let count = 0;
  let unaware = 0;

  const isCommitted = (lane: Lane, number: number, atMs: number): boolean => {
    const { partitionOf, offsetOf } = places[lane];
    return partitionOf[number] !== -1 && offsetOf[number]! < watermark[lane](partitionOf[number]!, atMs);
  };

  const judgeRepeat = (lane: Lane, number: number, made: Made): void => {
    const earlier = called[lane].last(number);
    const explained = explainedBy(faults, earlier, made);
    const woken = unawareBy(faults, made);
    const by = explained === -1 ? woken : explained;
    const name = `${lane} ${number} was called by worker ${earlier.worker} and again by worker ${made.worker}`;
    if (by === -1) return found.broken(`${name}, and no fault explains it`);
    effects[by]!.repeated[lane]++;
    const wasCommitted = isCommitted(lane, number, made.atMs);
    if (woken !== -1 && (explained === -1 || wasCommitted)) unaware++;
    else if (wasCommitted) found.broken(`${name} after it was committed`);
  };

  const judgeOrder = (number: number, made: Made, isFirst: boolean): number => {
    const orderKey = orderKeyOf(number);
    const offset = places.trigger.offsetOf[number]!;
    // What was deferred stands at the end of its order key, until a fault undoes that.
    const isOvertaken = isFirst && offset < highest[orderKey]! && deferredAtMs[number]! > made.atMs;
    if (isOvertaken) found.broken(`trigger ${number} began after a later one of its order key`);
    highest[orderKey] = Math.max(highest[orderKey]!, offset);
    for (const other of openOf.get(orderKey) ?? []) {
      const earlier = open.get(other)!;
      const by = Math.max(explainedBy(faults, earlier, made), unawareBy(faults, made));
      if (by === -1)
        found.broken(`trigger ${number} began at worker ${made.worker} while another of its order key ran at ${earlier.worker}`);
      else effects[by]!.overlaps++;
    }
    return orderKey;
  };

  for (const event of facts.calls) {
    if (!event.begins) {
      const ended = open.get(event.call);
      open.delete(event.call);
      const others = ended === undefined ? undefined : openOf.get(ended.orderKey);
      others?.delete(event.call);
      if (others?.size === 0) openOf.delete(ended!.orderKey);
      continue;
    }
    const { call, worker, lane, number, atMs } = event;
    const made = { worker, atMs };
    count++;
    if (number >= run[`${lane}s`]) {
      found.broken(`${lane} ${number} was called and never sent`);
      continue;
    }
    for (const { fault, uncommittedFromMs, repeatedMax } of struckUncommitted)
      if (worker === fault.worker && atMs >= uncommittedFromMs && atMs < fault.fromMs) repeatedMax[lane]++;
    const isFirst = called[lane].times[number] === 0;
    if (!isFirst) judgeRepeat(lane, number, made);
    if (lane === 'trigger') {
      if (isFirst && isCommitted(lane, number, atMs) && unawareBy(faults, made) === -1)
        found.broken(`trigger ${number} was called first after it was committed`);
      const orderKey = judgeOrder(number, made, isFirst);
      open.set(call, { ...made, orderKey });
      const others = openOf.get(orderKey);
      if (others === undefined) openOf.set(orderKey, new Set([call]));
      else others.add(call);
    } else if (atMs > deadlines[number]!) found.broken(`step ${number} was called ${atMs - deadlines[number]!} ms after its deadline`);
    called[lane].add(number, made);
  }
  return { count, called, unaware };
};
