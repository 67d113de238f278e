import { describe, expect, it } from '@jest/globals';
import { AdaptiveLimits } from './adaptive-limits.js';

const CAP = 50;
const TIMEOUT_MS = 10_000;

/** A function under steady load on a virtual clock: it answers in 100 ms while at most `capacity` calls run, else calls time out. */
class SlowEndpoint {
  nowMs = 1_000_000;
  timeouts = 0;
  calls = 0;

  constructor(
    readonly limits: AdaptiveLimits,
    public capacity: number,
  ) {}

  get limit(): number {
    return this.limits.limitOf('f', CAP, this.nowMs);
  }

  /** A round: as many calls as are allowed begin together. */
  round(): void {
    const allowed = this.limit;
    const startedAtMs = this.nowMs;
    const overloaded = allowed > this.capacity;
    this.nowMs += overloaded ? TIMEOUT_MS : 100;
    for (let call = 0; call < allowed; call++) this.limits.ended('f', CAP, { startedAtMs, endedAtMs: this.nowMs, overloaded });
    this.calls += allowed;
    if (overloaded) this.timeouts += allowed;
  }

  rounds(count: number): number[] {
    return Array.from({ length: count }, () => {
      this.round();
      return this.limit;
    });
  }
}

describe('the limit of a slow function', () => {
  it('is its cap while its calls end well', () => {
    const endpoint = new SlowEndpoint(new AdaptiveLimits(), 1_000);
    expect(new Set(endpoint.rounds(20))).toEqual(new Set([CAP]));
    expect(endpoint.limits.count(endpoint.nowMs)).toBe(0);
  });

  it('is halved once by calls that time out together', () => {
    const endpoint = new SlowEndpoint(new AdaptiveLimits(), 0);
    expect(endpoint.rounds(4)).toEqual([25, 12, 6, 3]);
  });

  it('never falls below one', () => {
    const endpoint = new SlowEndpoint(new AdaptiveLimits(), 0);
    expect(endpoint.rounds(50).at(-1)).toBe(1);
  });

  it('settles near what the function can take, and few calls time out', () => {
    const endpoint = new SlowEndpoint(new AdaptiveLimits(), 12);
    endpoint.rounds(10);
    const [before, calls] = [endpoint.timeouts, endpoint.calls];
    const limits = endpoint.rounds(300);
    expect(Math.min(...limits)).toBeGreaterThanOrEqual(6);
    expect(Math.max(...limits)).toBeLessThanOrEqual(13);
    expect((endpoint.timeouts - before) / (endpoint.calls - calls)).toBeLessThan(0.25);
  });

  it('grows back to the cap once the function is well, by about one a round', () => {
    const endpoint = new SlowEndpoint(new AdaptiveLimits(), 0);
    endpoint.rounds(10);
    endpoint.capacity = 1_000;
    const limits = endpoint.rounds(60);
    for (const [place, limit] of limits.entries()) expect(limit - (limits[place - 1] ?? 1)).toBeLessThanOrEqual(1);
    expect(limits.at(-1)).toBe(CAP);
    expect(endpoint.limits.count(endpoint.nowMs)).toBe(0);
  });

  it('follows a cap that was lowered, and one that was raised', () => {
    const limits = new AdaptiveLimits();
    limits.ended('f', 50, { startedAtMs: 0, endedAtMs: 10, overloaded: true });
    expect([limits.limitOf('f', 10, 20), limits.limitOf('f', 1_000, 20)]).toEqual([10, 25]);
  });

  it('is forgotten after a minute without calls, and is each function’s own', () => {
    const limits = new AdaptiveLimits();
    limits.ended('f', 50, { startedAtMs: 0, endedAtMs: 10, overloaded: true });
    expect([limits.limitOf('f', 50, 60_009), limits.limitOf('g', 50, 20)]).toEqual([25, 50]);
    expect([limits.limitOf('f', 50, 60_010), limits.count(60_010)]).toEqual([50, 0]);
  });

  it('remembers a bounded number of functions', () => {
    const limits = new AdaptiveLimits();
    for (let index = 0; index < 10_000; index++) limits.ended(String(index), 50, { startedAtMs: 0, endedAtMs: 10, overloaded: true });
    expect(limits.count(20)).toBe(4_000);
    expect(limits.limitOf('9999', 50, 20)).toBe(25);
  });
});
