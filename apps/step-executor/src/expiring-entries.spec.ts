import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { ExpiringEntries } from './expiring-entries.js';

beforeEach(() => void jest.useFakeTimers({ now: 1_000 }));
afterEach(() => void jest.useRealTimers());

describe('entries that expire', () => {
  it('keep the first value of a key until its time is over', () => {
    const entries = new ExpiringEntries<string>({ entriesMax: 10 });
    entries.add('a', 'first', { partition: 0, expiresAtMs: 2_000 });
    entries.add('a', 'second', { partition: 0, expiresAtMs: 9_000 });
    expect(entries.get('a')).toBe('first');
    jest.setSystemTime(2_000);
    expect(entries.get('a')).toBeUndefined();
    entries.add('a', 'third', { partition: 0, expiresAtMs: 9_000 });
    expect(entries.get('a')).toBe('third');
  });

  it('forget the oldest beyond a number and beyond bytes', () => {
    const entries = new ExpiringEntries<number>({ entriesMax: 3, bytesMax: 25 });
    for (const [index, key] of ['a', 'b', 'c', 'd'].entries()) entries.add(key, index, { partition: 0, expiresAtMs: 9_000, bytes: 10 });
    expect([entries.size, entries.bytes]).toEqual([2, 20]);
    expect(['a', 'b', 'c', 'd'].map((key) => entries.get(key))).toEqual([undefined, undefined, 2, 3]);
  });

  it('go with their partition', () => {
    const entries = new ExpiringEntries<number>({ entriesMax: 10 });
    entries.add('a', 1, { partition: 1, expiresAtMs: 9_000, bytes: 5 });
    entries.add('b', 2, { partition: 2, expiresAtMs: 9_000, bytes: 7 });
    entries.drop(new Set([1]));
    expect([entries.get('a'), entries.get('b'), entries.bytes]).toEqual([undefined, 2, 7]);
    expect([entries.take('b'), entries.size]).toEqual([2, 0]);
  });
});
