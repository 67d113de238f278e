import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { CircuitState } from '@cf/contract';
import { type BreakerRules, CircuitBreakers } from './circuit-breakers.js';
import type { Permit } from './circuit.js';

const settled = async (): Promise<void> => {
  for (let turn = 0; turn < 5; turn++) await Promise.resolve();
};

describe('the circuit of a function', () => {
  let breakers: CircuitBreakers;
  let changes: CircuitState[];
  const create = (rules: Partial<BreakerRules> = {}): CircuitBreakers => {
    breakers?.close();
    changes = [];
    return (breakers = new CircuitBreakers({ circuitsMax: 100, probes: 3, stepsWaitMs: 0, ...rules }, (to) => changes.push(to)));
  };
  beforeEach(() => {
    jest.useFakeTimers();
    create();
  });
  afterEach(() => {
    breakers.close();
    jest.useRealTimers();
  });

  const begin = (key = 'f', resetAt: string | null = null): Permit => {
    const permit = breakers.admit(key, resetAt);
    if ('untilMs' in permit) throw new Error('held');
    return permit;
  };
  const calls = async (failures: number, successes: number, key = 'f'): Promise<void> => {
    for (let call = 0; call < successes; call++) void begin(key).end(false);
    await settled();
    for (let call = 0; call < failures; call++) {
      const permit = breakers.admit(key, null);
      if ('end' in permit) void permit.end(true);
    }
    await settled();
  };
  const held = (key = 'f'): number | null => breakers.heldNow(key)?.untilMs ?? null;

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
    for (const permit of permits) void permit.end(true);
    await settled();
    expect(held()).not.toBeNull();
  });

  const halfOpened = async (): Promise<void> => {
    await calls(20, 0);
    await jest.advanceTimersByTimeAsync(30_000);
    expect(breakers.countByState().half_open).toBe(1);
  };

  it('lets three probes through after half a minute, whose successes close it', async () => {
    await calls(20, 0);
    await jest.advanceTimersByTimeAsync(29_999);
    expect(held()).not.toBeNull();
    await jest.advanceTimersByTimeAsync(1);
    const probes = [begin(), begin(), begin()];
    expect(breakers.admit('f', null)).toEqual({ state: 'half_open', untilMs: Date.now() + 30_000 });
    expect(await probes[0]?.end(false)).toBe('half_open');
    expect(held()).not.toBeNull();
    expect(await probes[1]?.end(false)).toBe('half_open');
    expect(await probes[2]?.end(false)).toBe('closed');
    expect(changes).toEqual(['open', 'half_open', 'closed']);
    await calls(9, 9);
    expect(held()).toBeNull();
  });

  it('opens again when the first probe fails, and the others tell it nothing', async () => {
    await halfOpened();
    const probes = [begin(), begin(), begin()];
    expect(await probes[0]?.end(true)).toBe('open');
    expect(held()).toBe(Date.now() + 30_000);
    expect(await probes[1]?.end(false)).toBe('open');
    await jest.advanceTimersByTimeAsync(30_000);
    expect(await probes[2]?.end(true)).toBe('half_open');
    expect(held()).toBeNull();
  });

  it('is told about calls that closed, opened or found it, and about no others', async () => {
    expect(begin().end(false)).toBeNull();
    expect(await begin().end(true)).toBeNull();
    await calls(17, 0);
    expect(await begin().end(true)).toBe('open');
  });

  describe('of steps, while triggers are called too', () => {
    beforeEach(async () => {
      create({ stepsWaitMs: 2_000 });
      await halfOpened();
    });

    it('lets no step through for a moment, then steps probe', async () => {
      const fromMs = Date.now() + 2_000;
      await jest.advanceTimersByTimeAsync(1_999);
      expect(breakers.heldNow('f')).toEqual({ state: 'half_open', untilMs: fromMs });
      await jest.advanceTimersByTimeAsync(1);
      expect(breakers.heldNow('f')).toBeNull();
      for (const probe of [begin(), begin(), begin()]) void probe.end(false);
      await settled();
      expect(breakers.countByState().closed).toBe(1);
    });

    it('is closed by triggers that succeed', async () => {
      for (let call = 0; call < 3; call++) breakers.heard('f', false);
      await settled();
      expect(breakers.countByState().closed).toBe(1);
      expect(held()).toBeNull();
    });

    it('is opened by a trigger that fails', async () => {
      breakers.heard('f', false);
      breakers.heard('f', true);
      await settled();
      expect(held()).toBe(Date.now() + 30_000);
    });
  });

  it('does not hear of triggers while it is closed or open', async () => {
    for (let call = 0; call < 100; call++) breakers.heard('f', true);
    await calls(20, 0);
    for (let call = 0; call < 100; call++) breakers.heard('f', false);
    await settled();
    expect(breakers.countByState()).toEqual({ closed: 0, open: 1, half_open: 0 });
  });

  it('is closed by a new manual reset, once, and knows nothing of what was before', async () => {
    const before = begin();
    await calls(20, 0);
    breakers.reset('f', null);
    expect(held()).not.toBeNull();
    breakers.reset('f', '2026-01-01T00:00:00.000Z');
    expect([held(), changes]).toEqual([null, ['open', 'closed']]);
    expect(before.end(true)).toBeNull();
    for (let call = 0; call < 19; call++) void begin('f', '2026-01-01T00:00:00.000Z').end(true);
    await settled();
    breakers.reset('f', '2026-01-01T00:00:00.000Z');
    expect(held()).toBeNull();
    await begin('f', '2026-01-01T00:00:00.000Z').end(true);
    expect(held()).not.toBeNull();
  });

  it('has no timer of its own while it is closed', () => {
    create({ circuitsMax: 5_000 });
    const before = jest.getTimerCount();
    for (let index = 0; index < 5_000; index++) void begin(String(index)).end(false);
    expect(jest.getTimerCount()).toBe(before);
  });

  it('does not count calls that began before it opened', async () => {
    const late = begin();
    await calls(20, 0);
    await jest.advanceTimersByTimeAsync(30_000);
    void late.end(false);
    await settled();
    expect(breakers.countByState().half_open).toBe(1);
  });

  it('is forgotten when it is closed and quiet, and not while a call runs', async () => {
    const running = begin('running');
    await calls(0, 1, 'quiet');
    await calls(20, 0, 'open');
    await jest.advanceTimersByTimeAsync(25_000);
    expect(breakers.countByState()).toEqual({ closed: 1, open: 1, half_open: 0 });
    void running.end(false);
  });

  it('is forgotten although it is open when nobody asks for ten minutes', async () => {
    await calls(20, 0);
    await jest.advanceTimersByTimeAsync(599_000);
    expect(breakers.countByState().half_open).toBe(1);
    await jest.advanceTimersByTimeAsync(2_000);
    expect(breakers.countByState()).toEqual({ closed: 0, open: 0, half_open: 0 });
  });

  it('keeps no more functions than it was told', async () => {
    for (let index = 0; index < 1_000; index++) void begin(String(index)).end(false);
    await settled();
    expect(breakers.countByState().closed).toBe(100);
  });
});
