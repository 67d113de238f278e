/**
 * 1,000 seeds of random histories through the recorder's decisions, with everything that a log and a crash do to them: results come
 * shuffled and doubled, in batches of any size, of two topics at once; a batch may be lost before its transaction commits, or commit and
 * be delivered again since its offset did not. Not real: Postgres, of which `MemoryRecord` has the statements' rules.
 */
import { randomUUID } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import type { InvocationResult } from '@cf/contract';
import { type HeardResult, invocationIdOf } from '../src/recording/heard-result.js';
import { type AttemptRow, attemptRowsOf, type DueRow, planRecording } from '../src/recording/plan-recording.js';
import type { Execution } from '../src/execution.js';
import {
  answersToUnmarked,
  doubled,
  type Expected,
  modelOf,
  modelOfCancelled,
  modelOfStep,
  randomOf,
  shuffled,
  stepHistory,
  triggerHistory,
} from './model.js';
import { inMs } from './messages.js';

const SEEDS = 1_000;

class MemoryRecord {
  readonly executions = new Map<string, Execution>();
  readonly attempts = new Map<string, AttemptRow>();
  readonly due = new Map<string, DueRow>();

  /** One recording transaction. */
  write(batch: readonly HeardResult[]): void {
    const ids = new Set(batch.map(invocationIdOf));
    const known = new Map([...this.executions].filter(([id]) => ids.has(id)));
    const newAttempts = attemptRowsOf(batch).filter(({ attemptId }) => !this.attempts.has(attemptId));
    const plan = planRecording(batch, known, newAttempts);
    for (const row of plan.added) if (this.executions.has(row.invocationId)) throw new Error('added twice');
    for (const row of [...plan.added, ...plan.changed]) this.executions.set(row.invocationId, row);
    for (const row of newAttempts) this.attempts.set(row.attemptId, row);
    for (const row of plan.due) if (row.seq > (this.due.get(row.invocationId)?.seq ?? -1)) this.due.set(row.invocationId, row);
    for (const id of plan.notDue) this.due.delete(id);
  }

  /** A person's cancellation of what waits. */
  cancel(invocationId: string, completedAt: string): void {
    const row = this.executions.get(invocationId)!;
    this.executions.set(invocationId, { ...row, status: 'cancelled', nextAttemptAt: null, byResult: false, completedAt });
    this.due.delete(invocationId);
  }

  of(invocationId: string): Expected {
    const { status, attemptCount, httpStatus, completedAt, nextAttemptAt } = this.executions.get(invocationId)!;
    const attempts = [...this.attempts.values()].filter((attempt) => attempt.invocationId === invocationId).length;
    const due = this.due.get(invocationId);
    expect([invocationId, attemptCount]).toEqual([invocationId, attempts]);
    expect([invocationId, nextAttemptAt]).toEqual([invocationId, due?.dueAt ?? null]);
    return {
      status,
      attempts,
      due: due === undefined ? null : { seq: due.seq, attempt: due.attempt, at: due.dueAt },
      httpStatus,
      completedAt,
    };
  }
}

/** Delivers until each batch has committed and its offset too; what a crash loses or repeats comes again. */
const deliver = (record: MemoryRecord, results: readonly HeardResult[], random: () => number): { crashes: number } => {
  const waiting = [...results];
  let crashes = 0;
  while (waiting.length > 0) {
    const size = 1 + Math.floor(random() * 6);
    const batch = waiting.slice(0, size);
    const fate = random();
    if (fate < 0.85) {
      record.write(batch);
      waiting.splice(0, size);
    } else {
      crashes++;
      if (fate < 0.93) record.write(batch);
      // Partitions are taken over one by one: what is delivered again may come in another order.
      waiting.splice(0, waiting.length, ...shuffled(waiting, random));
    }
  }
  return { crashes };
};

describe('the decisions of the recorder', () => {
  it('make a record that equals the model, for 1,000 seeds', () => {
    let crashes = 0;
    let results = 0;
    for (let seed = 1; seed <= SEEDS; seed++) {
      const random = randomOf(seed);
      const orgId = randomUUID();
      const record = new MemoryRecord();
      const expected = new Map<string, Expected>();
      const heard: HeardResult[] = [];
      for (let index = 0; index < 3; index++) {
        const history = triggerHistory(orgId, randomUUID(), random);
        expected.set(history[0]!.request.invocationId, modelOf(history));
        heard.push(...doubled(history, random).map((result): HeardResult => ({ source: 'invocation', result })));
        const step = stepHistory(orgId, random);
        expected.set(step.answers[0]!.invocationId, modelOfStep(step));
        const answers = step.answers.map((result, offset): HeardResult => ({ source: 'step', result, orgId, offset }));
        heard.push(
          ...doubled(answers, random),
          ...doubled(step.calls, random).map((result): HeardResult => ({ source: 'invocation', result })),
        );
      }
      results += heard.length;
      crashes += deliver(record, shuffled(heard, random), random).crashes;
      for (const [invocationId, model] of expected) expect({ seed, ...record.of(invocationId) }).toEqual({ seed, ...model });
    }
    expect(results).toBeGreaterThan(10_000);
    expect(crashes).toBeGreaterThan(500);
  });

  it('let nothing that was cancelled wait again, for 1,000 seeds', () => {
    const statuses = new Set<string>();
    for (let seed = 1; seed <= SEEDS; seed++) {
      const random = randomOf(seed);
      const history = triggerHistory(randomUUID(), randomUUID(), random);
      const { invocationId } = history[0]!.request;
      const record = new MemoryRecord();
      const heard = (results: readonly InvocationResult[]) =>
        doubled(results, random).map((result): HeardResult => ({ source: 'invocation', result }));
      deliver(record, heard(history), random);
      if (record.of(invocationId).due === null) continue;
      const cancelledAt = inMs(0).toISOString();
      record.cancel(invocationId, cancelledAt);
      const answers = answersToUnmarked(history, random);
      deliver(record, shuffled([...heard(history), ...heard(answers)], random), random);
      const model = modelOfCancelled(history, answers, cancelledAt);
      expect({ seed, ...record.of(invocationId) }).toEqual({ seed, ...model });
      statuses.add(model.status);
    }
    expect([...statuses].sort()).toEqual(['cancelled', 'succeeded']);
  });
});
