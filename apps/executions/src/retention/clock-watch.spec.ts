import { describe, expect, it } from '@jest/globals';
import { createLogger, Health, Metrics } from '@cf/service-kit';
import type { ExecutionsDatabase } from '../database/executions-database.js';
import { ClockWatch } from './clock-watch.js';

const HOUR_MS = 3_600_000;

const watched = () => {
  const clock = { wallMs: Date.parse('2026-11-22T15:00:00Z'), steadyMs: 5_000, postgresMs: Date.parse('2026-11-22T15:00:00Z') };
  const database = { query: () => Promise.resolve([{ now: new Date(clock.postgresMs) }]) } as unknown as ExecutionsDatabase;
  const health = new Health();
  const metrics = new Metrics();
  const machine = { wall: () => clock.wallMs, steady: () => clock.steadyMs };
  const watch = new ClockWatch(database, machine, createLogger('test', 'fatal'), health, metrics);
  const pass = (ms: number): void => {
    clock.wallMs += ms;
    clock.steadyMs += ms;
    clock.postgresMs += ms;
  };
  return { clock, watch, health, metrics, pass };
};

describe('the clock', () => {
  it('is trusted while time passes as it should', async () => {
    const { watch, pass } = watched();
    pass(48 * HOUR_MS);
    await watch.look();
    expect(watch.isTrusted()).toBe(true);
  });

  it.each([HOUR_MS, -HOUR_MS])('is in doubt at once when it jumps by %i ms, and trusted again when it is put right', async (jumpMs) => {
    const { clock, watch, health, metrics } = watched();
    clock.wallMs += jumpMs;
    clock.postgresMs += jumpMs;
    expect(watch.isTrusted()).toBe(false);
    await watch.look();
    expect(health.report().parts['executions-clock']).toEqual({
      ok: true,
      detail: expect.stringContaining(`jumped by ${jumpMs / 1_000} s`),
    });
    expect(await metrics.registry.metrics()).toContain(`cf_executions_clock_doubt_seconds{against="steady"} ${jumpMs / 1_000}`);
    clock.wallMs -= jumpMs;
    clock.postgresMs -= jumpMs;
    await watch.look();
    expect(watch.isTrusted()).toBe(true);
    expect(health.report().parts['executions-clock']?.detail).toBe('trusted');
  });

  it('is in doubt while Postgres has another time', async () => {
    const { clock, watch } = watched();
    clock.postgresMs += HOUR_MS;
    await watch.look();
    expect(watch.isTrusted()).toBe(false);
  });
});
