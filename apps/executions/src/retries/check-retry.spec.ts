import { describe, expect, it } from '@jest/globals';
import { refuseRetry } from './check-retry.js';

const deadLettered = { kind: 'trigger', test: false, status: 'dead_lettered', nextAttemptAt: null } as const;
const soon = '2026-11-22T16:00:00.000Z';

describe('refuseRetry', () => {
  it.each(['dead_lettered', 'suppressed', 'cancelled'] as const)('allows one that ended as %s', (status) => {
    expect(refuseRetry({ ...deadLettered, status }, true)).toBeNull();
  });

  it.each(['retrying', 'queued'] as const)('allows one that waits as %s', (status) => {
    expect(refuseRetry({ ...deadLettered, status, nextAttemptAt: soon }, true)).toBeNull();
  });

  it.each([
    ['step_not_retryable', { ...deadLettered, kind: 'step', status: 'failed' }],
    ['test_not_retryable', { ...deadLettered, test: true, status: 'failed' }],
    ['already_succeeded', { ...deadLettered, status: 'succeeded' }],
    ['in_progress', { ...deadLettered, status: 'queued' }],
  ] as const)('refuses with %s', (refusal, execution) => {
    expect(refuseRetry(execution, true)).toBe(refusal);
  });

  it('refuses what its trigger would cancel at once', () => {
    expect(refuseRetry(deadLettered, false)).toBe('trigger_inactive');
  });
});
