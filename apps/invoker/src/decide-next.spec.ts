import { describe, expect, it } from '@jest/globals';
import { type FailureReason, failureReason, type InvocationRequest, stepInvocationRequests, triggerInvocationRequests } from '@cf/contract';
import { type CallOutcome, decideNext } from './decide-next.js';

const NOW = Date.parse('2026-11-22T15:00:00.000Z');
const HOUR = 60 * 60_000;
const iso = (ms: number): string => new Date(ms).toISOString();

const trigger = (more: Partial<InvocationRequest> = {}): InvocationRequest => ({
  ...triggerInvocationRequests.example,
  acceptedAt: iso(NOW - 1_000),
  ...more,
});
const step = { ...stepInvocationRequests.example, acceptedAt: iso(NOW - 1_000) };
const failed = (reason: FailureReason, httpStatus: number | null = null, retryAfterMs: number | null = null): CallOutcome => ({
  kind: 'failed',
  reason,
  detail: 'why',
  httpStatus,
  retryAfterMs,
});
const decide = (request: InvocationRequest, outcome: CallOutcome, random = 0.5) => decideNext(request, outcome, NOW, () => random);

describe('what follows from a sending', () => {
  it('an answer is the end', () => {
    expect(decide(trigger(), { kind: 'answered', httpStatus: 200, returnValue: null, warning: null })).toMatchObject({
      disposition: 'done',
      outcome: 'succeeded',
      httpStatus: 200,
      dueAt: null,
    });
  });

  it.each<[FailureReason, number | null]>([
    ['timeout', null],
    ['connection', null],
    ['dns', null],
    ['tls', null],
    ['auth_token', null],
    ['http_status', 408],
    ['http_status', 425],
    ['http_status', 429],
    ['http_status', 500],
    ['http_status', 503],
    ['http_status', 599],
  ])('%s %s of a trigger is tried again', (reason, status) => {
    expect(decide(trigger(), failed(reason, status))).toMatchObject({
      disposition: 'retrying',
      outcome: null,
      failureReason: reason,
      failureDetail: 'why',
      httpStatus: status,
      dueAt: iso(NOW + 500),
    });
  });

  it.each(failureReason.options.filter((reason) => !['timeout', 'connection', 'dns', 'tls', 'auth_token'].includes(reason)))(
    '%s of a trigger is final',
    (reason) => {
      expect(decide(trigger(), failed(reason))).toMatchObject({
        disposition: 'done',
        outcome: 'failed',
        failureReason: reason,
        dueAt: null,
      });
    },
  );

  it.each([300, 304, 307, 400, 401, 403, 404, 410, 422, 499])('status %i of a trigger is final', (status) => {
    expect(decide(trigger(), failed('http_status', status))).toMatchObject({ disposition: 'done', outcome: 'failed', httpStatus: status });
  });

  it.each(failureReason.options)('%s of a step is its end', (reason) => {
    expect(decide(step, failed(reason, 503, 1_000))).toMatchObject({
      disposition: 'done',
      outcome: 'failed',
      failureReason: reason,
      dueAt: null,
    });
  });

  it('a test is never sent again', () => {
    expect(decide(trigger({ test: true }), failed('timeout')).disposition).toBe('done');
  });

  it.each([
    [1, 1_000],
    [2, 2_000],
    [5, 16_000],
    [12, 2_048_000],
    [13, HOUR],
    [40, HOUR],
  ])('attempt %i is followed within %i ms, anywhere in it', (attempt, delayMs) => {
    const dueIn = (random: number): number => Date.parse(decide(trigger({ attempt }), failed('timeout'), random).dueAt ?? '') - NOW;
    expect(dueIn(0)).toBe(0);
    expect(dueIn(0.25)).toBe(delayMs / 4);
    expect(dueIn(0.999_999)).toBeLessThanOrEqual(delayMs);
  });

  it('Retry-After is waited for, with jitter on top, at most an hour in all', () => {
    expect(decide(trigger(), failed('http_status', 429, 7_000)).dueAt).toBe(iso(NOW + 7_500));
    expect(decide(trigger({ attempt: 10 }), failed('http_status', 503, HOUR)).dueAt).toBe(iso(NOW + HOUR));
  });

  it('24 hours after the event came it is over', () => {
    const old = trigger({ acceptedAt: iso(NOW - 24 * HOUR + 499) });
    expect(decide(old, failed('timeout'))).toMatchObject({ disposition: 'done', outcome: 'failed', failureReason: 'timeout' });
    expect(decide(trigger({ acceptedAt: iso(NOW - 24 * HOUR + 500) }), failed('timeout')).disposition).toBe('retrying');
  });

  it('work that was paused or sent by hand has 24 hours of its own', () => {
    const late = trigger({ acceptedAt: iso(NOW - 72 * HOUR), retryUntil: iso(NOW + 500) });
    expect(decide(late, failed('timeout')).disposition).toBe('retrying');
    expect(decide({ ...late, retryUntil: iso(NOW + 499) }, failed('timeout')).disposition).toBe('done');
  });

  it('what is paused waits, however old it is', () => {
    const old = trigger({ acceptedAt: iso(NOW - 720 * HOUR) });
    expect(decide(old, { kind: 'paused', untilMs: NOW + 1_000 })).toMatchObject({ disposition: 'deferred', dueAt: iso(NOW + 1_000) });
  });

  it('surplus is due since its event came, so that the oldest is first, and is over after 24 hours', () => {
    const acceptedAt = iso(NOW - HOUR);
    const waiting = { disposition: 'deferred', outcome: null, deferReason: 'quota', dueAt: acceptedAt };
    expect(decide(trigger({ acceptedAt }), { kind: 'surplus' })).toMatchObject(waiting);
    const failure = { disposition: 'done', outcome: 'failed', failureReason: 'rate_limited', dueAt: null };
    expect(decide(trigger({ acceptedAt: iso(NOW - 24 * HOUR - 1) }), { kind: 'surplus' })).toMatchObject(failure);
    expect(decide(trigger({ test: true }), { kind: 'surplus' })).toMatchObject(failure);
  });

  const held: CallOutcome = { kind: 'held', reason: 'circuit_open', detail: 'why', untilMs: NOW + 30_000 };

  it('a trigger that is held waits without a failure', () => {
    expect(decide(trigger(), held)).toMatchObject({
      disposition: 'deferred',
      outcome: null,
      deferReason: 'circuit_open',
      failureReason: null,
      dueAt: iso(NOW + 30_000),
    });
  });

  it('a step that is held has failed, and so has a trigger whose 24 hours end before', () => {
    const expected = { disposition: 'done', outcome: 'failed', failureReason: 'circuit_open', deferReason: null, dueAt: null };
    expect(decide(step, held)).toMatchObject(expected);
    expect(decide(trigger({ acceptedAt: iso(NOW - 24 * HOUR + 1_000) }), held)).toMatchObject(expected);
  });
});
