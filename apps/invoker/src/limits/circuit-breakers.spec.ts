import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { CircuitBreakers, type Permit } from './circuit-breakers.js';

const settled = async (): Promise<void> => {
  for (let turn = 0; turn < 5; turn++) await Promise.resolve();
};

describe('the circuit of a function', () => {
  let breakers: CircuitBreakers;
  beforeEach(() => {
    jest.useFakeTimers();
    breakers = new CircuitBreakers(100);
  });
  afterEach(() => {
    breakers.close();
    jest.useRealTimers();
  });

  const begin = (key = 'f'): Permit => {
    const permit = breakers.admit(key);
    if ('untilMs' in permit) throw new Error('held');
    return permit;
  };
  const calls = async (failures: number, successes: number, key = 'f'): Promise<void> => {
    for (let call = 0; call < successes; call++) begin(key).end(false);
    await settled();
    for (let call = 0; call < failures; call++) {
      const permit = breakers.admit(key);
      if ('end' in permit) permit.end(true);
    }
    await settled();
  };
  const held = (key = 'f'): number | null => breakers.heldUntilMs(key);

  it('opens at half of twenty calls', async () => {
    await calls(10, 10);
    expect(held()).toBe(Date.now() + 30_000);
    expect(breakers.countByState()).toEqual({ closed: 0, open: 1, half_open: 0 });
  });

  it('stays closed with nineteen calls, and with less than half', async () => {
    await calls(19, 0);
    await calls(10, 11, 'g');
    expect([held(), held('g')]).toEqual([null, null]);
  });

  it('is one function’s alone', async () => {
    await calls(20, 0);
    expect([held() === null, held('g')]).toEqual([false, null]);
  });

  it('forgets calls that are more than ten seconds old', async () => {
    await calls(19, 0);
    await jest.advanceTimersByTimeAsync(10_000);
    await calls(19, 0);
    expect(held()).toBeNull();
  });

  it('opens on calls that hung together, whenever they began', async () => {
    const permits = Array.from({ length: 50 }, () => begin());
    await jest.advanceTimersByTimeAsync(30_000);
    for (const permit of permits) permit.end(true);
    await settled();
    expect(held()).not.toBeNull();
  });

  it('lets one probe through after half a minute, whose success closes it', async () => {
    await calls(20, 0);
    await jest.advanceTimersByTimeAsync(29_000);
    expect(held()).not.toBeNull();
    await jest.advanceTimersByTimeAsync(1_000);
    expect(breakers.countByState().half_open).toBe(1);
    const probe = begin();
    expect(breakers.admit('f')).toHaveProperty('untilMs');
    probe.end(false);
    await settled();
    expect(breakers.countByState()).toEqual({ closed: 1, open: 0, half_open: 0 });
    await calls(9, 9);
    expect(held()).toBeNull();
  });

  it('opens again when the probe fails', async () => {
    await calls(20, 0);
    await jest.advanceTimersByTimeAsync(30_000);
    begin().end(true);
    await settled();
    expect(held()).toBe(Date.now() + 30_000);
  });

  it('does not count calls that began before it opened', async () => {
    const late = begin();
    await calls(20, 0);
    await jest.advanceTimersByTimeAsync(30_000);
    late.end(false);
    await settled();
    expect(breakers.countByState().half_open).toBe(1);
  });

  it('is forgotten when it is closed and quiet, and not while a call runs', async () => {
    const running = begin('running');
    await calls(0, 1, 'quiet');
    await calls(20, 0, 'open');
    await jest.advanceTimersByTimeAsync(25_000);
    expect(breakers.countByState()).toEqual({ closed: 1, open: 1, half_open: 0 });
    running.end(false);
  });

  it('keeps no more functions than it was told', async () => {
    for (let index = 0; index < 1_000; index++) begin(String(index)).end(false);
    await settled();
    expect(breakers.countByState().closed).toBe(100);
  });
});
