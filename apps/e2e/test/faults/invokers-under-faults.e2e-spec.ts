/**
 * Real: a Kafka broker of its own, three invokers and a step-executor as processes, SIGKILL, SIGSTOP for longer than a session, a rolling
 * restart and a restart of the broker while triggers and steps run. The witnesses are the endpoint's and the topics' own logs, judged by
 * the checker; `npm run chaos -- invokers` is the same, longer.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { describeOnKafka } from '@cf/testing';
import { runInvokers } from '../../../../tools/chaos/run-invokers.js';
import { checkInvokers, type InvokersVerdict } from '../../../../tools/checker/check-invokers.js';
import { readInvokersFacts } from '../../../../tools/checker/invokers-facts.js';

const WORKERS = 3;
const PER_SECOND = 100;
/** A call that was looking up its endpoint's name or dialling when its worker was stopped is made when it wakes up: what comes to a worker in 100 ms. */
const CALLS_OF_A_WOKEN_WORKER_MAX = Math.ceil(PER_SECOND / WORKERS / 10);

describeOnKafka('several invokers that are killed, paused and restarted under load', () => {
  const folder = mkdtempSync(join(tmpdir(), 'cf-invokers-facts-'));
  let verdict: InvokersVerdict;

  beforeAll(async () => {
    await runInvokers({
      folder,
      invocations: 2_000,
      perSecond: PER_SECOND,
      workers: WORKERS,
      partitions: 6,
      faults: [['kill', 'pause'], ['restart'], ['broker']],
      pauseMsMax: 0,
    });
    verdict = checkInvokers(readInvokersFacts(folder));
  }, 300_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('keep what guarantees.md promises, and have nothing uncommitted in the end', () => {
    expect(verdict.violations).toEqual([]);
    expect(verdict.figures).toMatchObject({ commitLag: 0 });
    const pauses = verdict.effects.filter(({ fault }) => fault.kind === 'pause').length;
    expect(verdict.figures['callsOfWokenWorkers']).toBeLessThanOrEqual(pauses * CALLS_OF_A_WOKEN_WORKER_MAX);
    expect(verdict.figures['triggers']).toBeGreaterThan(1_900);
    expect(verdict.figures['stepsSucceeded']).toBeGreaterThan(0);
  });

  it('let go of what a slow function gets beyond its quota', () => {
    const { deferredAndNotCalled = 0, deferredAndCalled = 0 } = verdict.figures;
    expect(deferredAndNotCalled + deferredAndCalled).toBeGreaterThan(0);
  });

  it('repeat what ran at a worker that died or lost its session, and nothing at a graceful restart', () => {
    const repeatedBy = (kind: string): number[] =>
      verdict.effects.filter(({ fault }) => fault.kind === kind).map(({ repeated }) => repeated.trigger + repeated.step);
    const [killed, paused] = [repeatedBy('kill'), repeatedBy('pause')];
    expect([killed, paused]).toEqual([[expect.any(Number)], [expect.any(Number)]]);
    // On a busy machine one of the two may have had nothing under way.
    expect(killed[0]! + paused[0]!).toBeGreaterThanOrEqual(3);
    expect(repeatedBy('restart')).toEqual([0, 0, 0]);
  });
});
