import { describe, expect, it } from '@jest/globals';
import type { Notifications } from '../notifications/notifications.repository.js';
import type { ClockWatch } from '../retention/clock-watch.js';
import type { FunctionHealthRepository } from './function-health.repository.js';
import { HealthTidier } from './health-tidier.js';

const HOUR_MS = 60 * 60_000;
const DAY_MS = 24 * HOUR_MS;
const STARTED_AT_MS = Date.UTC(2026, 10, 30);

describe('tidying health', () => {
  it('throws nothing away by a clock that jumped, and goes on once that is put right', async () => {
    const machine = { steadyMs: 0, jumpMs: 0 };
    const pruned: Date[] = [];
    const health = {
      alone: <T>(work: (manager: null) => Promise<T>) => work(null),
      takeOld: () => Promise.resolve([]),
      bucketsAt: () => Promise.resolve([]),
      saveBuckets: () => Promise.resolve(),
      prune: (_: null, before: Date) => Promise.resolve(void pruned.push(before)),
    } as unknown as FunctionHealthRepository;
    const notifications = { prune: () => Promise.resolve() } as unknown as Notifications;
    const clock = { steady: () => machine.steadyMs, wall: () => STARTED_AT_MS + machine.steadyMs + machine.jumpMs };
    const watch = { isTrusted: () => machine.jumpMs === 0 } as ClockWatch;
    const tidier = new HealthTidier(health, notifications, watch, clock);

    await tidier.tidyHourly();
    machine.steadyMs += 2 * HOUR_MS;
    machine.jumpMs = 9 * DAY_MS;
    await tidier.tidyHourly();
    expect(pruned).toHaveLength(1);

    machine.jumpMs = 0;
    await tidier.tidyHourly();
    expect(pruned.map((before) => (before.getTime() - pruned[0]!.getTime()) / HOUR_MS)).toEqual([0, 2]);
  });
});
