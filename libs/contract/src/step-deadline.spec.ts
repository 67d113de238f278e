import { describe, expect, it } from '@jest/globals';
import { stepDeadlineMs } from './step-deadline.js';

const accepted = Date.parse('2026-11-22T15:04:05.000Z');

describe('the deadline of a step', () => {
  it('is what the request says', () => {
    expect(stepDeadlineMs({ deadline: '2026-11-22T15:04:07.000Z' }, accepted, 10_000)).toBe(accepted + 2_000);
  });

  it('reads an offset', () => {
    expect(stepDeadlineMs({ deadline: '2026-11-22T16:04:07+01:00' }, accepted, 10_000)).toBe(accepted + 2_000);
  });

  it('is the timeout of the function and five seconds when the request says nothing', () => {
    expect(stepDeadlineMs({ deadline: null }, accepted, 30_000)).toBe(accepted + 35_000);
  });

  it('is never more than a minute after the broker took the request', () => {
    expect(stepDeadlineMs({ deadline: '2027-01-01T00:00:00Z' }, accepted, 10_000)).toBe(accepted + 60_000);
  });
});
