import { describe, expect, it } from '@jest/globals';
import { refuseCancellation } from './check-cancellation.js';

const open = { completedAt: null };
const ended = { completedAt: '2026-11-22T16:00:00.000Z' };

describe('refuseCancellation', () => {
  it('allows what waits', () => expect(refuseCancellation(open, 'yes')).toBeNull());

  it.each([
    ['in_progress', open, 'taken'],
    ['in_progress', open, 'no'],
    ['already_ended', ended, 'no'],
  ] as const)('refuses with %s', (refusal, execution, waiting) => {
    expect(refuseCancellation(execution, waiting)).toBe(refusal);
  });
});
