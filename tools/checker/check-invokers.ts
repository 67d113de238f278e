/**
 * An independent look at a run of several invokers whose processes were killed, paused and restarted. It knows the endpoint's log, the topics'
 * logs and the faults, and shares no code with the product. Each rule is a promise of guarantees.md §1 to §4:
 *
 *   - every request that the log acknowledged was called, and its first result says so, or deferred; no result tells of a call that never was
 *   - a call is made again only when a fault explains it, not after its request was committed, and a fault repeats no more than its bound
 *   - a sending that was deferred is not called, unless a fault undid the deferral; that it comes back is the promise of executions, which are not here
 *   - first attempts of an order key begin in the order of the log, and one after the other unless a fault explains it
 *   - a commit covers only requests whose results are in the log, and never goes back, whoever wakes up; in the end nothing is uncommitted
 *   - a step has a result by its deadline, one, and is not called after it
 *
 * Needs some 40 bytes an invocation.
 */
import { isAnswerLost, isStruckBetween, repeatedMax, uncommittedFromMs } from './explain-by-faults.ts';
import { isSlow } from './invocation-plan.ts';
import { type CommitFact, DEFERRED, type InvokersFacts } from './invokers-facts.ts';
import { type Calls, type Commits, type FaultEffect, Findings, judgeCalls, type Places, type Requests } from './judge-calls.ts';

/** The gateway waits until the deadline and 2 s (guarantees.md §2). */
const ANSWER_WAITED_FOR_MS = 2_000;
export interface InvokersVerdict {
  /** The first of them, in words. */
  readonly violations: readonly string[];
  readonly violationCount: number;
  readonly effects: readonly FaultEffect[];
  readonly figures: Readonly<Record<string, number>>;
}

const readRequests = ({ run, requests }: InvokersFacts, found: Findings): Requests => {
  const partitionOf = new Int16Array(run.triggers).fill(-1);
  const offsetOf = new Int32Array(run.triggers);
  const partitions: number[][] = [];
  let repeated = 0;
  for (const { partition, offset, number } of requests) {
    if (number >= run.triggers) {
      found.broken(`trigger ${number} lies in the log and was never sent`);
    } else if (partitionOf[number] === -1) {
      partitionOf[number] = partition;
      offsetOf[number] = offset;
      (partitions[partition] ??= []).push(number);
    } else repeated++;
  }
  partitionOf.forEach((partition, number) => {
    if (partition === -1) found.broken(`trigger ${number} was acknowledged and is not in the log`);
  });
  for (const of of partitions) of?.sort((a, b) => offsetOf[a]! - offsetOf[b]!);
  return { partitionOf, offsetOf, partitions, repeated };
};

/** A step that was asked for twice may be called until the later request is committed: its invokers know each other's calls by the log alone. */
const readStepPlaces = ({ run, stepInvocations }: InvokersFacts, found: Findings): Places => {
  const partitionOf = new Int16Array(run.steps).fill(-1);
  const offsetOf = new Int32Array(run.steps);
  for (const { partition, offset, number } of stepInvocations) {
    if (number >= run.steps) {
      found.broken(`step ${number} was passed on and never asked for`);
      continue;
    }
    partitionOf[number] = partition;
    offsetOf[number] = Math.max(offsetOf[number]!, offset);
  }
  return { partitionOf, offsetOf };
};

const readCommits = ({ commits }: InvokersFacts, found: Findings): Commits => {
  const byLane = { trigger: [] as CommitFact[][], step: [] as CommitFact[][] };
  for (const commit of commits) {
    const { lane, partition, offset } = commit;
    const of = (byLane[lane][partition] ??= []);
    const last = of.at(-1);
    if (last !== undefined && offset < last.offset)
      found.broken(`a commit of ${lane} ${partition} went back from ${last.offset} to ${offset}`);
    of.push(commit);
  }
  return byLane;
};

const hashOf = (text: string): number => {
  let hash = 1;
  for (let at = 0; at < text.length; at++) hash = (Math.imul(hash, 31) + text.charCodeAt(at)) | 0;
  return hash === 0 ? 1 : hash;
};

interface Results {
  /** When the first result of each trigger came into the log, and the first that deferred it; infinite for one without. */
  readonly atMs: Float64Array;
  readonly deferredAtMs: Float64Array;
  /** How many calls of each trigger have a result. */
  readonly calls: Uint8Array;
  /** Further results of a trigger: of another call, the same one appended again, and deferrals. */
  readonly ofOtherCalls: number;
  readonly appendedAgain: number;
  readonly deferredAgain: number;
}

const readResults = ({ run, faults, results }: InvokersFacts, found: Findings): Results => {
  const atMs = new Float64Array(run.triggers).fill(Infinity);
  const deferredAtMs = new Float64Array(run.triggers).fill(Infinity);
  const calls = new Uint8Array(run.triggers);
  const firstAttempt = new Int32Array(run.triggers);
  const others = new Map<number, Set<number>>();
  let [ofOtherCalls, appendedAgain, deferredAgain] = [0, 0, 0];
  const readDeferral = (number: number, cameAtMs: number): void => {
    const before = deferredAtMs[number]!;
    deferredAtMs[number] = Math.min(before, cameAtMs);
    if (before === Infinity) return;
    deferredAgain++;
    if (!isStruckBetween(faults, before, cameAtMs)) found.broken(`trigger ${number} was deferred twice, and no fault explains it`);
  };
  for (const { number, outcome, attemptId, atMs: cameAtMs } of results) {
    if (number >= run.triggers) {
      found.broken(`trigger ${number} has a result and was never sent`);
      continue;
    }
    atMs[number] = Math.min(atMs[number]!, cameAtMs);
    if (outcome === DEFERRED) {
      readDeferral(number, cameAtMs);
      continue;
    }
    const attempt = hashOf(attemptId);
    if (firstAttempt[number] === 0) {
      firstAttempt[number] = attempt;
      calls[number] = 1;
      if (outcome !== 'succeeded') found.broken(`trigger ${number} ended as ${outcome}`);
      continue;
    }
    const known = others.get(number) ?? new Set([firstAttempt[number]!]);
    if (!known.has(attempt)) ofOtherCalls++;
    else {
      appendedAgain++;
      if (!isAnswerLost(faults, cameAtMs)) found.broken(`a result of trigger ${number} was appended again, and no fault explains it`);
    }
    others.set(number, known.add(attempt));
    calls[number] = known.size;
  }
  return { atMs, deferredAtMs, calls, ofOtherCalls, appendedAgain, deferredAgain };
};

interface Deferrals {
  readonly notCalled: number;
  /** By what a fault made of them: this sending was called too. */
  readonly called: number;
  readonly ofQuickFunctions: number;
}

/** Each trigger: its results against its calls. */
const judgeResults = ({ run, faults }: InvokersFacts, results: Results, { called }: Calls, found: Findings): Deferrals => {
  const deferrals = { notCalled: 0, called: 0, ofQuickFunctions: 0 };
  for (let number = 0; number < run.triggers; number++) {
    const times = called.trigger.times[number]!;
    const deferredAtMs = results.deferredAtMs[number]!;
    if (results.calls[number]! > times) found.broken(`trigger ${number} has results of calls that never were`);
    if (deferredAtMs === Infinity) {
      if (times === 0) found.broken(`trigger ${number} is lost: it was never called`);
      if (results.calls[number] === 0) found.broken(`trigger ${number} is lost: it has no result`);
      continue;
    }
    if (!isSlow(number)) deferrals.ofQuickFunctions++;
    if (times === 0) {
      deferrals.notCalled++;
      continue;
    }
    deferrals.called++;
    if (!isStruckBetween(faults, called.trigger.last(number).atMs, deferredAtMs))
      found.broken(`trigger ${number} was called and deferred under one seq, and no fault explains it`);
  }
  return deferrals;
};

/** Each commit, against what the log held by then. */
const judgeCommits = (commits: Commits, requests: Requests, results: Results, found: Findings): void => {
  commits.trigger.forEach((of, partition) => {
    const lies = requests.partitions[partition] ?? [];
    let next = 0;
    for (const { offset, atMs } of of) {
      for (; next < lies.length && requests.offsetOf[lies[next]!]! < offset; next++) {
        const number = lies[next]!;
        if (results.atMs[number]! > atMs) found.broken(`trigger ${number} was committed before its result was in the log`);
      }
    }
  });
};

interface Steps {
  readonly succeeded: number;
  readonly failed: number;
  readonly late: number;
  readonly repeatedResults: number;
}

const judgeSteps = (facts: InvokersFacts, deadlines: Float64Array, { called }: Calls, found: Findings): Steps => {
  const { run, faults } = facts;
  const results = new Uint8Array(run.steps);
  let [succeeded, failed, late, repeatedResults] = [0, 0, 0, 0];
  for (const { number, outcome, atMs } of facts.stepResults) {
    if (number >= run.steps) {
      found.broken(`step ${number} has a result and was never asked for`);
      continue;
    }
    if (results[number]! > 0) {
      repeatedResults++;
      if (!isAnswerLost(faults, atMs)) found.broken(`step ${number} was answered twice, and no fault explains it`);
      continue;
    }
    results[number] = 1;
    if (outcome !== 'succeeded') failed++;
    else {
      succeeded++;
      if (called.step.times[number] === 0) found.broken(`step ${number} is said to have succeeded and was never called`);
    }
    const dueMs = deadlines[number]! + ANSWER_WAITED_FOR_MS;
    if (atMs <= dueMs) continue;
    late++;
    if (!isAnswerLost(faults, dueMs)) found.broken(`step ${number} was answered ${atMs - deadlines[number]!} ms after its deadline`);
  }
  results.forEach((answers, number) => {
    if (answers === 0) found.broken(`step ${number} has no result`);
  });
  return { succeeded, failed, late, repeatedResults };
};

export const checkInvokers = (facts: InvokersFacts): InvokersVerdict => {
  const { run, faults, lags } = facts;
  const found = new Findings();
  const effects = faults.map((fault): FaultEffect => {
    const max = { trigger: repeatedMax(fault, 'trigger', run), step: repeatedMax(fault, 'step', run) };
    return {
      fault,
      repeated: { trigger: 0, step: 0 },
      repeatedMax: max,
      uncommittedFromMs: uncommittedFromMs(faults, fault),
      overlaps: 0,
    };
  });
  const deadlines = new Float64Array(run.steps);
  for (const { number, deadlineMs } of facts.stepRequests) deadlines[number] = deadlineMs;
  const requests = readRequests(facts, found);
  const commits = readCommits(facts, found);
  const places = { trigger: requests, step: readStepPlaces(facts, found) };
  const results = readResults(facts, found);
  const { deferredAtMs } = results;
  const calls = judgeCalls(facts, { places, commits, deadlines, deferredAtMs }, effects, found);
  const deferrals = judgeResults(facts, results, calls, found);
  judgeCommits(commits, requests, results, found);
  const steps = judgeSteps(facts, deadlines, calls, found);
  for (const { fault, repeated, repeatedMax: max } of effects) {
    for (const lane of ['trigger', 'step'] as const)
      if (repeated[lane] > max[lane])
        found.broken(`${repeated[lane]} calls of ${lane}s were repeated by one ${fault.kind}, ${max[lane]} may be`);
    if (fault.kind === 'restart' && fault.exitCode !== 0) found.broken(`worker ${fault.worker} ended with ${fault.exitCode} at SIGTERM`);
  }
  let lag = 0;
  for (const { group, topic, partition, endOffset, committedOffset } of lags) {
    lag += endOffset - (committedOffset ?? 0);
    if (endOffset !== (committedOffset ?? 0))
      found.broken(`${group} is committed to ${committedOffset} of ${endOffset} of ${topic} ${partition}`);
  }
  const most = (read: (effect: FaultEffect) => number): number => Math.max(0, ...effects.map(read));
  const sum = (read: (effect: FaultEffect) => number): number => effects.reduce((total, effect) => total + read(effect), 0);
  return {
    violations: found.told,
    violationCount: found.count,
    effects,
    figures: {
      workers: run.workers,
      triggers: run.triggers,
      steps: run.steps,
      seconds: run.seconds,
      callsPerSecond: Math.round(calls.count / Math.max(1, run.seconds)),
      calls: calls.count,
      repeatedTriggerCalls: sum(({ repeated }) => repeated.trigger),
      repeatedStepCalls: sum(({ repeated }) => repeated.step),
      triggerCallsRepeatedByOneFault: most(({ repeated }) => repeated.trigger),
      triggerCallsRepeatedByOneFaultMax: most(({ repeatedMax: max }) => max.trigger),
      stepCallsRepeatedByOneFault: most(({ repeated }) => repeated.step),
      stepCallsRepeatedByOneFaultMax: most(({ repeatedMax: max }) => max.step),
      callsOfWokenWorkers: calls.unaware,
      overlapsOfOrderKeys: sum(({ overlaps }) => overlaps),
      requestsAppendedAgain: requests.repeated,
      resultsOfRepeatedCalls: results.ofOtherCalls,
      resultsAppendedAgain: results.appendedAgain,
      deferredAndNotCalled: deferrals.notCalled,
      deferredAndCalled: deferrals.called,
      deferredAgain: results.deferredAgain,
      deferredOfQuickFunctions: deferrals.ofQuickFunctions,
      stepsSucceeded: steps.succeeded,
      stepsFailed: steps.failed,
      stepsLate: steps.late,
      stepResultsRepeated: steps.repeatedResults,
      commits: commits.trigger.flat().length + commits.step.flat().length,
      commitLag: lag,
    },
  };
};
