import { describe, expect, it } from '@jest/globals';
import { type Call, checkCalls, type Facts, type ListedExecution, REPEATED_PER_FAULT_MAX } from './check-calls.js';
import { callsOf, planOf, statusOf } from './endpoint-plan.js';

const rest = '-0000-4000-8000-000000000000';
/** By their first digits: one that succeeds at once, one that fails first, one that is refused. */
const [smooth, retried, refused] = [`ffffffff${rest}`, `30000000${rest}`, `00000001${rest}`];

const callsFor = (eventId: string): Call[] =>
  Array.from({ length: callsOf(planOf(eventId)) }, (_, index) => ({
    eventId,
    invocationId: `i-${eventId}`,
    attempt: index + 1,
    status: statusOf(planOf(eventId), index + 1),
  }));

const executionOf = (eventId: string, over: Partial<ListedExecution> = {}): ListedExecution => ({
  invocationId: `i-${eventId}`,
  event: { id: eventId },
  status: planOf(eventId).refused ? 'dead_lettered' : 'succeeded',
  attemptCount: callsOf(planOf(eventId)),
  nextAttemptAt: null,
  ...over,
});

const ids = [smooth, retried, refused];
const sound: Facts = {
  sent: ids,
  accepted: ids,
  calls: ids.flatMap(callsFor),
  executions: ids.map((id) => executionOf(id)),
  faults: [{ kind: 'postgres' }],
};
const violationsOf = (over: Partial<Facts>): readonly string[] => checkCalls({ ...sound, ...over }).violations;
const without = (eventId: string) => sound.executions.filter(({ event }) => event?.id !== eventId);
const repeat = (eventId: string, times: number): Partial<Facts> => ({
  calls: [...sound.calls, ...Array.from({ length: times }, () => callsFor(eventId).at(-1)!)],
  executions: [...without(eventId), executionOf(eventId, { attemptCount: callsOf(planOf(eventId)) + times })],
});

describe('the checker', () => {
  it('finds nothing in a sound run', () => {
    expect(planOf(retried)).toEqual({ failures: 1, refused: false });
    expect(checkCalls(sound)).toEqual({
      violations: [],
      figures: { accepted: 3, calls: 4, repeatedCalls: 0, succeeded: 2, deadLettered: 1, waiting: 0, faults: 1 },
    });
  });

  it.each<[string, Partial<Facts>, RegExp]>([
    ['an event that is lost', { executions: without(smooth), calls: [] }, /is lost/],
    ['two executions of one event', { executions: [...sound.executions, executionOf(smooth)] }, /has 2 executions/],
    ['one that hangs', { executions: [...without(retried), executionOf(retried, { status: 'queued' })] }, /neither final nor waiting/],
    ['a success that nobody saw', { calls: sound.calls.filter(({ eventId }) => eventId !== smooth) }, /never answered 200/],
    [
      'a success that is denied',
      { executions: [...without(smooth), executionOf(smooth, { status: 'dead_lettered' })] },
      /answered 200 and is/,
    ],
    ['one that was given up', { executions: [...without(retried), executionOf(retried, { status: 'dead_lettered' })] }, /was given up/],
    [
      'an attempt that is not accounted for',
      { executions: [...without(smooth), executionOf(smooth, { attemptCount: 0 })] },
      /0 attempts are/,
    ],
    ['a call under another id', { calls: sound.calls.map((call) => ({ ...call, invocationId: 'x' })) }, /another invocation id/],
    ['more calls than faults explain', repeat(smooth, 2), /2 times more than its policy/],
    ['a gap in the attempts', { calls: sound.calls.map((call) => (call.attempt === 2 ? { ...call, attempt: 3 } : call)) }, /gaps/],
    ['a call that nobody asked for', { sent: [smooth, retried] }, /was never sent/],
  ])('finds %s', (_, over, violation) => expect(violationsOf(over)).toContainEqual(expect.stringMatching(violation)));

  it('allows an attempt that ended before it reached the endpoint, and no more of them than the record says', () => {
    const calls = sound.calls.map((call) => (call.eventId === smooth ? { ...call, attempt: 2 } : call));
    const told = (attemptCount: number) => [...without(smooth), executionOf(smooth, { attemptCount, unanswered: 1 })];
    expect(violationsOf({ calls, executions: told(2) })).toEqual([]);
    expect(violationsOf({ calls, executions: told(3) })).toEqual([expect.stringMatching(/called 1 times, 3 attempts/)]);
  });

  it('allows what a fault may repeat, and no more', () => {
    expect(violationsOf(repeat(smooth, 1))).toEqual([]);
    const many = Array.from({ length: REPEATED_PER_FAULT_MAX + 1 }, (_, index) => `f${String(index).padStart(7, '0')}${rest}`);
    const repeated = {
      calls: many.flatMap((id) => [...callsFor(id), ...callsFor(id)]),
      executions: many.map((id) => executionOf(id, { attemptCount: 2 })),
    };
    expect(checkCalls({ ...sound, ...repeated, sent: many, accepted: many }).violations).toEqual([
      expect.stringMatching(/calls were repeated/),
    ]);
  });
});
