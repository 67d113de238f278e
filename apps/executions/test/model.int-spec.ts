/**
 * Random histories of many invocations, delivered shuffled and doubled, against a model that knows only the sets of results.
 * Real: Postgres and the consumers. In memory: the log.
 */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type InvocationResult, type StepResult, stepInvocationResults, stepResults, triggerInvocationResults } from '@cf/contract';
import { eventually } from '@cf/testing';
import { doubled, type Expected, modelOf, modelOfStep, randomOf, shuffled, stepHistory, triggerHistory } from './model.js';
import { RunningExecutions } from './running-executions.js';

/** `model.spec.ts` has more, without Postgres. */
const SEEDS = 200;

interface RecordedRow {
  readonly invocation_id: string;
  readonly status: string;
  readonly attempts: number;
  readonly counted: number;
  readonly http_status: number | null;
  readonly completed_at: Date | null;
  readonly next_attempt_at: Date | null;
  readonly due_seq: number | null;
  readonly due_attempt: number | null;
  readonly due_at: Date | null;
}

describe('the record', () => {
  let executions: RunningExecutions;
  let orgId: string;
  const triggerId = randomUUID();

  beforeAll(async () => {
    executions = await RunningExecutions.start();
    orgId = await executions.addOrganization();
    await executions.setTrigger(orgId, triggerId);
  });
  afterAll(() => executions.stop());

  const recordedRows = async (ids: readonly string[]): Promise<Map<string, Expected>> => {
    const { rows } = await executions.sql.query<RecordedRow>(
      `SELECT e.invocation_id, e.status, e.attempt_count AS counted, e.http_status, e.completed_at, e.next_attempt_at,
              (SELECT count(*)::int FROM executions.attempts a WHERE a.invocation_id = e.invocation_id) AS attempts,
              d.seq AS due_seq, d.attempt AS due_attempt, d.due_at
       FROM executions.executions e LEFT JOIN executions.due d USING (invocation_id) WHERE e.invocation_id = ANY($1::uuid[])`,
      [ids],
    );
    return new Map(
      rows.map((row) => {
        expect(row.counted).toBe(row.attempts);
        expect(row.next_attempt_at).toEqual(row.due_at);
        const due = row.due_at === null ? null : { seq: row.due_seq!, attempt: row.due_attempt!, at: row.due_at.toISOString() };
        return [
          row.invocation_id,
          {
            status: row.status,
            attempts: row.attempts,
            due,
            httpStatus: row.http_status,
            completedAt: row.completed_at?.toISOString() ?? null,
          },
        ];
      }),
    );
  };

  it('equals the model for every order and any doubling of what happened', async () => {
    const expected = new Map<string, Expected>();
    const calls: InvocationResult[] = [];
    const stepCalls: InvocationResult[] = [];
    const stepAnswers: StepResult[] = [];
    for (let seed = 1; seed <= SEEDS; seed++) {
      const random = randomOf(seed);
      const history = triggerHistory(orgId, triggerId, random);
      expected.set(history[0]!.request.invocationId, modelOf(history));
      calls.push(...shuffled(doubled(history, random), random));
      const step = stepHistory(orgId, random);
      expected.set(step.answers[0]!.invocationId, modelOfStep(step));
      stepCalls.push(...doubled(step.calls, random));
      stepAnswers.push(...step.answers, ...doubled(step.answers, random));
    }
    const publishing = Promise.all([
      executions.publish(triggerInvocationResults, ...shuffled(calls, randomOf(0))),
      executions.publish(stepInvocationResults, ...shuffled(stepCalls, randomOf(0))),
      executions.publish(stepResults, ...stepAnswers),
    ]);
    for (let cut = 0; cut < 3; cut++) {
      await executions.cutConnections();
      await executions.sql.query('SELECT pg_sleep(0.02)');
    }
    await publishing;
    await eventually(
      async () => expect(await executions.recorded([triggerInvocationResults, stepInvocationResults, stepResults])).toBe(true),
      30_000,
    );
    const recorded = await recordedRows([...expected.keys()]);
    for (const [invocationId, row] of expected) expect({ invocationId, ...recorded.get(invocationId) }).toEqual({ invocationId, ...row });
    expect(executions.sent).toEqual([]);
  });
});
