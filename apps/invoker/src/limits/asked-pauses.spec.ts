import { describe, expect, it } from '@jest/globals';
import { AskedPauses } from './asked-pauses.js';

describe('a pause that an endpoint asked for', () => {
  it('lasts until its end, for one function', () => {
    const pauses = new AskedPauses();
    pauses.ask('f', 1_000);
    expect([pauses.endOf('f', 999), pauses.endOf('g', 999)]).toEqual([1_000, null]);
    expect([pauses.endOf('f', 1_000), pauses.count(0)]).toEqual([null, 0]);
  });

  it('is the longest of those asked for', () => {
    const pauses = new AskedPauses();
    for (const untilMs of [1_000, 3_000, 2_000]) pauses.ask('f', untilMs);
    expect(pauses.endOf('f', 0)).toBe(3_000);
  });

  it('is remembered for a bounded number of functions, the latest ones', () => {
    const pauses = new AskedPauses();
    for (let index = 0; index < 20_000; index++) pauses.ask(String(index), 1_000);
    expect([pauses.count(0), pauses.endOf('19999', 0), pauses.endOf('9999', 0)]).toEqual([10_000, 1_000, null]);
    expect(pauses.count(1_000)).toBe(0);
  });
});
