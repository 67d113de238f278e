import { describe, expect, it } from '@jest/globals';
import { skipReplay } from './check-replay.js';

const deadLettered = { kind: 'trigger', test: false, status: 'dead_lettered', nextAttemptAt: null } as const;
const soon = '2026-11-22T16:00:00.000Z';
const facts = { onlyIfNotSucceeded: true, triggerActive: true, functionActive: true, requestKept: true };

describe('skipReplay', () => {
  it.each(['dead_lettered', 'suppressed', 'cancelled'] as const)('sends what ended as %s', (status) => {
    expect(skipReplay({ ...deadLettered, status }, facts)).toBeNull();
  });

  it('sends what succeeded only when that is asked for', () => {
    expect(skipReplay({ ...deadLettered, status: 'succeeded' }, { ...facts, onlyIfNotSucceeded: false })).toBeNull();
  });

  it.each([
    ['step', { ...deadLettered, kind: 'step', status: 'failed' }, facts],
    ['test', { ...deadLettered, test: true, status: 'failed' }, facts],
    ['waiting', { ...deadLettered, status: 'retrying', nextAttemptAt: soon }, facts],
    ['waiting', { ...deadLettered, status: 'queued', nextAttemptAt: soon }, facts],
    ['in_progress', { ...deadLettered, status: 'queued' }, facts],
    ['succeeded', { ...deadLettered, status: 'succeeded' }, facts],
    ['trigger_inactive', deadLettered, { ...facts, triggerActive: false }],
    ['function_inactive', deadLettered, { ...facts, functionActive: false }],
    ['request_not_kept', deadLettered, { ...facts, requestKept: false }],
  ] as const)('leaves out with %s', (skip, execution, given) => {
    expect(skipReplay(execution, given)).toBe(skip);
  });
});
