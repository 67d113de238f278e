import { describe, expect, it } from '@jest/globals';
import {
  type InvocationResult,
  type StepResult,
  stepInvocationRequests,
  stepInvocationResults,
  stepResults,
  triggerInvocationResults,
} from '@cf/contract';
import type { Execution } from '../execution.js';
import { foldInvocationResult, foldStepResult, ForeignInvocationError } from './fold-result.js';

const base = triggerInvocationResults.example;
const later = '2026-11-22T16:00:00.000Z';

const result = (seq: number, overrides: Partial<InvocationResult> = {}): InvocationResult => ({
  ...base,
  request: { ...base.request, seq, attempt: seq + 1 },
  ...overrides,
});
const retrying = (seq: number): InvocationResult =>
  result(seq, { disposition: 'retrying', outcome: 'failed', failureReason: 'timeout', dueAt: later });
const failed = (seq: number): InvocationResult => result(seq, { outcome: 'failed', failureReason: 'http_status', httpStatus: 400 });
const suppressed = (seq: number): InvocationResult => result(seq, { disposition: 'suppressed', outcome: null, attempts: [] });

const fold = (...results: InvocationResult[]): Execution => {
  const row = results.reduce<Execution | null>(foldInvocationResult, null);
  if (row === null) throw new Error('nothing was folded');
  return row;
};

describe('foldInvocationResult', () => {
  it('schedules the next sending and the number of its attempt', () => {
    expect(fold(retrying(0))).toMatchObject({ status: 'retrying', seq: 1, nextAttempt: 2, nextAttemptAt: later, completedAt: null });
  });

  it('burns no attempt by a deferral', () => {
    const deferral = result(3, { disposition: 'deferred', outcome: null, deferReason: 'circuit_open', attempts: [], dueAt: later });
    expect(fold(deferral)).toMatchObject({ status: 'queued', seq: 4, nextAttempt: 4, nextAttemptAt: later, deferReason: 'circuit_open' });
  });

  it('changes nothing by an older result', () => {
    const row = fold(retrying(2));
    for (const old of [retrying(0), failed(1), result(0), suppressed(1)]) expect(foldInvocationResult(row, old)).toBe(row);
  });

  it('changes nothing by the same result again', () => {
    for (const same of [retrying(0), failed(0), result(0), suppressed(0)]) {
      const row = fold(same);
      expect(foldInvocationResult(row, same)).toBe(row);
    }
  });

  it('lets the better of two answers to one sending stand, in either order', () => {
    for (const worse of [retrying(0), failed(0), suppressed(0)]) {
      const expected = { status: 'succeeded', nextAttemptAt: null, seq: 1 };
      expect(fold(worse, result(0))).toMatchObject(expected);
      expect(fold(result(0), worse)).toMatchObject(expected);
    }
  });

  it.each(['published', 'ordered by hand', 'cancelled'])('leaves a sending alone that was %s, whatever an older result says', () => {
    const row: Execution = { ...fold(failed(0)), status: 'queued', byResult: false };
    expect(foldInvocationResult(row, failed(0))).toBe(row);
    expect(foldInvocationResult(row, result(0))).toBe(row);
    expect(foldInvocationResult(row, result(1))).toMatchObject({ status: 'succeeded', seq: 2 });
  });

  describe('of what was cancelled', () => {
    const cancelled: Execution = { ...fold(retrying(0)), status: 'cancelled', byResult: false, nextAttemptAt: null, completedAt: later };
    const deferral = result(1, { disposition: 'deferred', outcome: null, deferReason: 'quota', attempts: [], dueAt: later });

    it.each([
      ['retrying', retrying(1)],
      ['deferred', deferral],
      ['failed', failed(1)],
      ['suppressed', suppressed(1)],
    ])('lets nothing wait again by an answer that comes late: %s', (_, answer) => {
      const row = foldInvocationResult(cancelled, answer);
      const place = { seq: 2, nextAttempt: answer.request.attempt + answer.attempts.length, byResult: true };
      expect(row).toEqual({ ...cancelled, ...place });
      expect(foldInvocationResult(row, answer)).toBe(row);
      expect(foldInvocationResult(row, failed(1))).toBe(row);
    });

    it('takes a success, in either order of two answers', () => {
      const succeeded = { status: 'succeeded', seq: 2, nextAttemptAt: null };
      expect([retrying(1), result(1)].reduce(foldInvocationResult, cancelled)).toMatchObject(succeeded);
      expect([result(1), failed(1)].reduce(foldInvocationResult, cancelled)).toMatchObject(succeeded);
      expect(foldInvocationResult(cancelled, result(0))).toBe(cancelled);
    });
  });

  it('never lets a result of one organization reach the execution of another', () => {
    const foreign = result(5);
    foreign.request.orgId = '11111111-1111-4111-8111-111111111111';
    expect(() => foldInvocationResult(fold(retrying(0)), foreign)).toThrow(ForeignInvocationError);
  });

  it('takes ids in either case for the same', () => {
    const shouted = result(1);
    shouted.request.orgId = shouted.request.orgId.toUpperCase();
    expect(foldInvocationResult(fold(retrying(0)), shouted)).toMatchObject({ status: 'succeeded' });
  });
});

describe('foldStepResult', () => {
  const { orgId } = stepInvocationRequests.example;
  const late: StepResult = { ...stepResults.example, outcome: 'failed', failureReason: 'timeout', branchReason: 'no_failure_branch' };

  it('gives the same row whichever topic was read first', () => {
    const call = stepInvocationResults.example;
    const callFirst = foldStepResult(foldInvocationResult(null, call), stepResults.example, orgId, 7);
    const answerFirst = foldInvocationResult(foldStepResult(null, stepResults.example, orgId, 7), call);
    expect(answerFirst).toEqual(callFirst);
    expect(callFirst).toMatchObject({
      status: 'succeeded',
      chatBotName: 'Appointment Scheduler',
      branchOption: 'Scheduled',
      nextAttemptAt: null,
    });
  });

  it('keeps the record with the lowest offset, in either order', () => {
    const inOrder = foldStepResult(foldStepResult(null, stepResults.example, orgId, 7), late, orgId, 9);
    const backwards = foldStepResult(foldStepResult(null, late, orgId, 9), stepResults.example, orgId, 7);
    expect(inOrder).toMatchObject({ status: 'succeeded', stepResultOffset: 7 });
    expect(backwards).toMatchObject({ ...inOrder, createdAt: backwards.createdAt });
  });

  it('waits for the step result before a step has a verdict', () => {
    expect(fold(stepInvocationResults.example)).toMatchObject({ status: 'queued', completedAt: null });
  });

  it('survives a duration that no calendar holds', () => {
    expect(foldStepResult(null, { ...late, durationMs: 1e300 }, orgId, 1).createdAt).toBe(late.completedAt);
  });
});
