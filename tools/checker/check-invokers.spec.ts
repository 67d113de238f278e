import { describe, expect, it } from '@jest/globals';
import { checkInvokers } from './check-invokers.js';
import { chatIdOf, FUNCTIONS, findId, functionOf, idOf, isSlow, numberOf, orderKeyOf, SLOW } from './invocation-plan.js';
import { type CallEvent, DEFERRED, type Fault, type InvokersFacts } from './invokers-facts.js';

const TRIGGERS = 12;
const PARTITION = 3;
/** Made at the time of their number: trigger n is called at 1,000 n and answered 10 ms later. */
const calledAtMs = (number: number): number => 1_000 * (number + 1);

type Begin = Extract<CallEvent, { begins: true }>;
let calls = 0;
const begin = (number: number, over: Partial<Begin> = {}): Begin => ({
  begins: true,
  call: ++calls,
  worker: 1,
  lane: 'trigger',
  number,
  atMs: calledAtMs(number),
  ...over,
});
const end = ({ call }: Begin): CallEvent => ({ begins: false, call });
const whole = (number: number, over: Partial<Begin> = {}): CallEvent[] => {
  const begun = begin(number, over);
  return [begun, end(begun)];
};

const numbers = Array.from({ length: TRIGGERS }, (_, number) => number);
const DEADLINE_MS = 60_000;
const sound: InvokersFacts = {
  run: { workers: 3, callsMax: { trigger: 4, step: 2 }, triggers: TRIGGERS, steps: 1, seconds: 1 },
  faults: [],
  calls: [...numbers.flatMap((number) => whole(number)), ...whole(0, { lane: 'step', atMs: 30_000 })],
  requests: numbers.map((number) => ({ partition: PARTITION, offset: number, number })),
  results: numbers.map((number) => ({ number, outcome: 'succeeded', attemptId: `a${number}`, atMs: calledAtMs(number) + 20 })),
  commits: numbers.map((number) => ({ lane: 'trigger', partition: PARTITION, offset: number + 1, atMs: calledAtMs(number) + 30 })),
  stepRequests: [{ number: 0, deadlineMs: DEADLINE_MS }],
  stepInvocations: [{ partition: PARTITION, offset: 0, number: 0 }],
  stepResults: [{ number: 0, outcome: 'succeeded', atMs: 30_020 }],
  lags: [{ group: 'invoker.trigger', topic: 'requests', partition: PARTITION, endOffset: TRIGGERS, committedOffset: TRIGGERS }],
};

const judge = (over: Partial<InvokersFacts>) => checkInvokers({ ...sound, ...over });
const fault = (kind: Fault['kind'], fromMs: number, over: Partial<Fault> = {}): Fault => ({
  kind,
  worker: kind === 'broker' ? null : 1,
  fromMs,
  toMs: fromMs,
  exitCode: kind === 'restart' ? 0 : null,
  ...over,
});
const listOf = <T>(facts: Iterable<T>): T[] => [...facts];
const withCalls = (...more: CallEvent[]): CallEvent[] => [...listOf(sound.calls), ...more];
const withoutCallsOf = (number: number): CallEvent[] => numbers.filter((each) => each !== number).flatMap((each) => whole(each));

/** Trigger 11 was in flight at worker 1 when something happened at 12,005; worker 2 calls it again. */
const last = TRIGGERS - 1;
const struckAtMs = calledAtMs(last) + 5;
const calledAgain = withCalls(...whole(last, { worker: 2, atMs: struckAtMs + 7_000 }));
const uncommitted = listOf(sound.commits).slice(0, -1);
const afterwards = [...uncommitted, { lane: 'trigger', partition: PARTITION, offset: TRIGGERS, atMs: struckAtMs + 8_000 } as const];
/** The same, and the first call still runs at the endpoint. */
const first = begin(last);
const second = begin(last, { worker: 2, atMs: struckAtMs + 7_000 });
const sideBySide = [...withoutCallsOf(last), ...whole(0, { lane: 'step', atMs: 30_000 }), first, second, end(first), end(second)];

/** The step was called by worker 1 at 30,000 and is again by worker 2. */
const stepCalledAgain = withCalls(...whole(0, { lane: 'step', worker: 2, atMs: 37_000 }));
const stepCommitted = (atMs: number) => ({ lane: 'step', partition: PARTITION, offset: 1, atMs }) as const;
/** Trigger 11 was deferred instead of called, which was committed as its result would be. */
const deferral = (number: number, atMs: number) => ({ number, outcome: DEFERRED, attemptId: '-', atMs });
const withoutResultOf = (number: number, outcome: string) =>
  listOf(sound.results).map((result) => (result.number === number ? { ...result, outcome, attemptId: '-' } : result));
const deferred = {
  calls: [...withoutCallsOf(last), ...whole(0, { lane: 'step', atMs: 30_000 })],
  results: withoutResultOf(last, DEFERRED),
};
const committedLate = [{ lane: 'trigger', partition: PARTITION, offset: TRIGGERS, atMs: 32_000 }] as const;
const deferredAndCalled = [...deferred.calls, ...whole(last, { worker: 2, atMs: 31_000 })];

describe('the plan of an invokers run', () => {
  it('is told by ids', () => {
    expect(findId(`{"id":"${idOf('trigger', 4_711)}"}`)).toEqual({ lane: 'trigger', number: 4_711 });
    expect(findId(`{"chatId":"${chatIdOf(7)}","executionId":"${idOf('step', 7)}"}`)).toEqual({ lane: 'step', number: 7 });
    expect(numberOf(idOf('step', 999_999))).toBe(999_999);
  });

  it('has several triggers for each event of a chat and several events in a row', () => {
    expect(numbers.map(functionOf).slice(0, FUNCTIONS + 1)).toEqual([0, 1, 2, 0]);
    expect(orderKeyOf(0)).toBe(orderKeyOf(FUNCTIONS));
    expect(orderKeyOf(0)).not.toBe(orderKeyOf(1));
    expect(chatIdOf(0)).not.toBe(chatIdOf(FUNCTIONS * 8));
  });

  it('has bursts for one more function in a few chats', () => {
    const burst = Array.from({ length: SLOW.every }, (_, number) => number).filter(isSlow);
    expect(burst).toHaveLength(SLOW.burst);
    expect(new Set(burst.map(functionOf))).toEqual(new Set([SLOW.cloudFunction]));
    expect(new Set(burst.map(chatIdOf)).size).toBe(SLOW.chats);
    expect(new Set(burst.map(orderKeyOf)).size).toBe(SLOW.chats);
  });
});

describe('the checker of an invokers run', () => {
  it('finds nothing in a sound one', () => {
    const { violations, figures } = checkInvokers(sound);
    expect(violations).toEqual([]);
    expect(figures).toMatchObject({ triggers: 12, steps: 1, calls: 13, repeatedTriggerCalls: 0, overlapsOfOrderKeys: 0, commitLag: 0 });
  });

  it.each<[string, Partial<InvokersFacts>, RegExp]>([
    ['an acknowledged request that the log lost', { requests: listOf(sound.requests).slice(1) }, /trigger 0 .* is not in the log/],
    ['a request that nobody called', { calls: withoutCallsOf(4) }, /trigger 4 is lost: it was never called/],
    ['a request without a result', { results: listOf(sound.results).slice(1) }, /trigger 0 is lost: it has no result/],
    [
      'a result that says something else',
      { results: listOf(sound.results).map((result) => ({ ...result, outcome: 'done:internal' })) },
      /trigger 0 ended as done:internal/,
    ],
    [
      'a result of a call that never was',
      { results: [...sound.results, { number: 2, outcome: 'succeeded', attemptId: 'b', atMs: 40_000 }] },
      /trigger 2 has results of calls that never were/,
    ],
    [
      'a result that was appended again for no reason',
      { results: [...sound.results, { number: 2, outcome: 'succeeded', attemptId: 'a2', atMs: 40_000 }] },
      /result of trigger 2 was appended again/,
    ],
    ['a repeated call without a fault', { calls: calledAgain, commits: afterwards }, /again by worker 2, and no fault explains it/],
    [
      'a repeated call after a graceful restart',
      { calls: calledAgain, commits: afterwards, faults: [fault('restart', struckAtMs)] },
      /no fault explains it/,
    ],
    [
      'a repeated call of another worker than the one that died',
      { calls: calledAgain, commits: afterwards, faults: [fault('kill', struckAtMs, { worker: 3 })] },
      /no fault explains it/,
    ],
    [
      'a call that is repeated although it was committed',
      { calls: calledAgain, faults: [fault('kill', struckAtMs)] },
      /trigger 11 .* after it was committed/,
    ],
    [
      'a step that a graceful restart repeats',
      { calls: withCalls(...whole(0, { lane: 'step', worker: 2, atMs: 31_000 })), faults: [fault('restart', 30_005)] },
      /step 0 .* no fault explains it/,
    ],
    [
      'a step that is repeated although it was committed',
      { calls: stepCalledAgain, commits: [...sound.commits, stepCommitted(30_020)], faults: [fault('kill', 30_030)] },
      /step 0 .* after it was committed/,
    ],
    [
      'a later one of an order key that begins first',
      { calls: [...whole(FUNCTIONS, { atMs: 500 }), ...whole(0), ...numbers.filter((n) => n % 3 !== 0 || n > 3).flatMap((n) => whole(n))] },
      /trigger 0 began after a later one of its order key/,
    ],
    [
      'two of an order key side by side',
      { calls: [begin(0), ...withoutCallsOf(0)] },
      /trigger 3 began at worker 1 while another of its order key ran at 1/,
    ],
    [
      'two calls side by side that a fault of another worker does not explain',
      { calls: sideBySide, commits: afterwards, faults: [fault('pause', struckAtMs, { worker: 3, toMs: struckAtMs + 9_000 })] },
      /trigger 11 began at worker 2 while another of its order key ran at 1/,
    ],
    [
      'a commit before the result',
      { results: listOf(sound.results).map((result) => (result.number === 5 ? { ...result, atMs: 99_000 } : result)) },
      /trigger 5 was committed before its result/,
    ],
    [
      'a commit of a worker that lost the partition',
      { commits: [...sound.commits, { lane: 'trigger', partition: PARTITION, offset: 4, atMs: 40_000 }] },
      /commit of trigger 3 went back from 12 to 4/,
    ],
    ['what is never committed', { lags: [{ ...sound.lags[0]!, committedOffset: 11 }] }, /is committed to 11 of 12/],
    ['what is not committed at all', { lags: [{ ...sound.lags[0]!, committedOffset: null }] }, /is committed to null of 12/],
    ['a step without a result', { stepResults: [] }, /step 0 has no result/],
    ['a step with two results', { stepResults: [...sound.stepResults, ...sound.stepResults] }, /step 0 was answered twice/],
    ['a step that is answered late', { stepResults: [{ number: 0, outcome: 'timeout', atMs: DEADLINE_MS + 2_001 }] }, /2001 ms after/],
    ['a step that was called late', { stepRequests: [{ number: 0, deadlineMs: 29_000 }] }, /step 0 was called 1000 ms after its deadline/],
    ['a success that nobody saw', { calls: numbers.flatMap((number) => whole(number)) }, /step 0 .* was never called/],
    [
      'what was deferred and is called all the same',
      { results: [...sound.results, deferral(2, 9_000)] },
      /trigger 2 was called and deferred under one seq, and no fault explains it/,
    ],
    [
      'what was deferred twice',
      { ...deferred, results: [...deferred.results, deferral(last, 50_000)] },
      /trigger 11 was deferred twice, and no fault explains it/,
    ],
    [
      'what is called after its deferral was committed',
      { results: deferred.results, calls: deferredAndCalled, faults: [fault('kill', 12_500)] },
      /trigger 11 was called first after it was committed/,
    ],
    [
      'a deferral for another reason',
      { ...deferred, results: withoutResultOf(last, 'deferred:circuit_open') },
      /11 ended as deferred:circuit/,
    ],
    ['a stop that was not graceful', { faults: [fault('restart', 1, { exitCode: 1 })] }, /worker 1 ended with 1 at SIGTERM/],
    ['a call that nobody asked for', { calls: withCalls(...whole(TRIGGERS)) }, /trigger 12 was called and never sent/],
  ])('finds %s', (_, over, violation) => expect(judge(over).violations).toContainEqual(expect.stringMatching(violation)));

  it('counts what a kill repeats and lets run side by side', () => {
    const { violations, figures, effects } = judge({ calls: sideBySide, commits: afterwards, faults: [fault('kill', struckAtMs)] });
    expect(violations).toEqual([]);
    expect(figures).toMatchObject({ repeatedTriggerCalls: 1, overlapsOfOrderKeys: 1 });
    expect(effects).toMatchObject([{ repeated: { trigger: 1, step: 0 }, overlaps: 1 }]);
  });

  it('counts a step that a kill repeats before it is committed, or that was asked for twice, beside its bound', () => {
    const repeats = { calls: stepCalledAgain, faults: [fault('kill', 30_030)] };
    const { violations, figures } = judge({ ...repeats, commits: [...sound.commits, stepCommitted(37_020)] });
    expect(violations).toEqual([]);
    expect(figures).toMatchObject({ repeatedStepCalls: 1, stepCallsRepeatedByOneFault: 1, stepCallsRepeatedByOneFaultMax: 514 });
    const stepInvocations = [...sound.stepInvocations, { partition: PARTITION, offset: 1, number: 0 }];
    expect(judge({ ...repeats, commits: [...sound.commits, stepCommitted(30_020)], stepInvocations }).violations).toEqual([]);
  });

  it('counts what a worker calls that wakes up and does not know yet, though another one did it', () => {
    const pause = fault('pause', calledAtMs(last) - 8_000, { worker: 2, toMs: struckAtMs });
    const woken = withCalls(...whole(last, { worker: 2, atMs: struckAtMs + 100 }));
    const { violations, figures } = judge({ calls: woken, faults: [pause] });
    expect(violations).toEqual([]);
    expect(figures).toMatchObject({ repeatedTriggerCalls: 1, callsOfWokenWorkers: 1 });
    expect(judge({ calls: woken, faults: [{ ...pause, toMs: struckAtMs - 6_000 }] }).violations).not.toEqual([]);
  });

  it('takes a deferral for an answer and counts it, also one that a kill undid before it was committed', () => {
    const quiet = judge(deferred);
    expect(quiet.violations).toEqual([]);
    expect(quiet.figures).toMatchObject({ calls: 12, deferredAndNotCalled: 1, deferredAndCalled: 0, deferredOfQuickFunctions: 1 });
    const undone = { results: deferred.results, calls: deferredAndCalled, commits: committedLate, faults: [fault('kill', 12_500)] };
    expect(judge(undone).violations).toEqual([]);
    expect(judge(undone).figures).toMatchObject({ deferredAndNotCalled: 0, deferredAndCalled: 1 });
    expect(judge({ ...undone, faults: [fault('restart', 12_500)] }).violations).not.toEqual([]);
  });

  it('lets one that was deferred begin after a later one of its order key', () => {
    const [deferredNumber, later] = [last - FUNCTIONS, last];
    const calls = [
      ...withoutCallsOf(deferredNumber),
      ...whole(0, { lane: 'step', atMs: 30_000 }),
      ...whole(deferredNumber, { atMs: 31_000 }),
    ];
    const faults = [fault('kill', calledAtMs(later) + 1_000)];
    expect(judge({ calls, commits: committedLate, faults }).violations).toEqual([
      expect.stringMatching(/trigger 8 began after a later one/),
    ]);
    const results = [...sound.results, deferral(deferredNumber, calledAtMs(deferredNumber) + 100)];
    expect(judge({ calls, commits: committedLate, faults, results }).violations).toEqual([]);
  });

  it('counts results of repeated calls, and those appended again while the broker was away', () => {
    const results = [
      ...sound.results,
      { number: last, outcome: 'succeeded', attemptId: 'another', atMs: struckAtMs + 7_020 },
      { number: last, outcome: 'succeeded', attemptId: 'another', atMs: struckAtMs + 7_040 },
    ];
    const broker = fault('broker', struckAtMs, { toMs: struckAtMs + 5_000 });
    const { violations, figures } = judge({ calls: calledAgain, commits: afterwards, results, faults: [broker] });
    expect(violations).toEqual([]);
    expect(figures).toMatchObject({ resultsOfRepeatedCalls: 1, resultsAppendedAgain: 1 });
  });

  it('bounds what one fault may repeat', () => {
    const triggers = 600;
    const many = Array.from({ length: triggers }, (_, number) => number);
    const kill = fault('kill', 5_000);
    const over: Partial<InvokersFacts> = {
      run: { ...sound.run, triggers, steps: 0 },
      faults: [kill],
      calls: [...many.flatMap((n) => whole(n, { atMs: 4_000 })), ...many.flatMap((n) => whole(n, { worker: 2, atMs: 12_000 }))],
      requests: many.map((number) => ({ partition: 0, offset: number, number })),
      results: many.map((number) => ({ number, outcome: 'succeeded', attemptId: `a${number}`, atMs: 4_100 })),
      commits: [],
      stepRequests: [],
      stepInvocations: [],
      stepResults: [],
      lags: [],
    };
    expect(judge(over).violations).toEqual(['600 calls of triggers were repeated by one kill, 516 may be']);
    expect(judge({ ...over, faults: [kill, fault('broker', 6_000)] }).violations).toEqual([]);
    // Nothing could be committed since the broker went.
    const outage = (fromMs: number): Fault => fault('broker', fromMs, { toMs: 4_500 });
    expect(judge({ ...over, faults: [outage(3_900), kill] }).violations).toEqual([]);
    expect(judge({ ...over, faults: [outage(4_100), kill] }).violations).toHaveLength(1);
    expect(judge({ ...over, faults: [fault('broker', -2_000), kill] }).violations).toHaveLength(1);
  });
});
