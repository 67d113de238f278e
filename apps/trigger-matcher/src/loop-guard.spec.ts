import { describe, expect, it } from '@jest/globals';
import { LoopGuard, type GuardedInvocation, type LoopVerdict } from './loop-guard.js';

const trigger = { id: 'a7b2a3d4-0000-4000-8000-000000000007', loopGuardLimit: null };
let made = 0;
const invocation = (atMs: number, over: Partial<GuardedInvocation> = {}): GuardedInvocation => ({
  invocationId: `invocation-${made++}`,
  trigger,
  eventType: 'ChatContextUpdated',
  chatId: 'chat-1',
  causedBy: null,
  atMs,
  ...over,
});
const burst = (guard: LoopGuard, times: number, atMs: number, over: Partial<GuardedInvocation> = {}): LoopVerdict[] =>
  Array.from({ length: times }, () => guard.admit(invocation(atMs, over)));
const passed = (verdicts: LoopVerdict[]): number => verdicts.filter((verdict) => verdict === 'pass').length;

describe('the loop guard', () => {
  it('lets thirty pass within a minute and stops the rest', () => {
    expect(passed(burst(new LoopGuard(), 40, 1_000))).toBe(30);
  });

  it('lets a hundred and twenty posted messages pass', () => {
    expect(passed(burst(new LoopGuard(), 130, 1_000, { eventType: 'MessagePosted' }))).toBe(120);
  });

  it('follows the limit of the trigger', () => {
    expect(passed(burst(new LoopGuard(), 10, 1_000, { trigger: { ...trigger, loopGuardLimit: 2 } }))).toBe(2);
    expect(passed(burst(new LoopGuard(), 10, 1_000, { trigger: { ...trigger, loopGuardLimit: 0 } }))).toBe(0);
  });

  it('counts each chat and each trigger for itself', () => {
    const guard = new LoopGuard();
    burst(guard, 31, 1_000);
    expect(guard.admit(invocation(1_000, { chatId: 'chat-2' }))).toBe('pass');
    expect(guard.admit(invocation(1_000, { trigger: { ...trigger, id: 'another' } }))).toBe('pass');
    expect(guard.admit(invocation(1_000, { chatId: 'CHAT-1' }))).toBe('too_many');
  });

  it('lets a steady flow below the limit pass for ever', () => {
    const guard = new LoopGuard();
    const verdicts = Array.from({ length: 300 }, (_, index) => guard.admit(invocation(index * 2_000)));
    expect(passed(verdicts)).toBe(300);
  });

  it('stays closed while the loop goes on, and opens a minute after the limit was last exceeded', () => {
    const guard = new LoopGuard();
    burst(guard, 31, 0);
    expect(passed(Array.from({ length: 120 }, (_, index) => guard.admit(invocation(index * 1_000))))).toBe(0);
    expect(guard.admit(invocation(119_000 + 59_999))).toBe('too_many');
    expect(guard.admit(invocation(119_000 + 60_000))).toBe('pass');
  });

  it('counts an invocation that is asked for again once, with the same verdict', () => {
    const guard = new LoopGuard();
    const again = invocation(1_000);
    const verdicts = Array.from({ length: 50 }, () => guard.admit(again));
    expect(passed(verdicts)).toBe(50);
    expect(passed(burst(guard, 40, 1_000))).toBe(29);
  });

  it('stops an event that its own trigger caused, through other triggers too', () => {
    const guard = new LoopGuard();
    const first = invocation(0);
    const second = invocation(10, { trigger: { ...trigger, id: 'another' }, causedBy: first.invocationId });
    expect([guard.admit(first), guard.admit(second)]).toEqual(['pass', 'pass']);
    expect(guard.admit(invocation(20, { causedBy: first.invocationId.toUpperCase() }))).toBe('own_cause');
    expect(guard.admit(invocation(20, { causedBy: second.invocationId }))).toBe('own_cause');
    expect(guard.admit(invocation(20, { causedBy: 'never-heard-of' }))).toBe('pass');
  });
});
