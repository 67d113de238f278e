/**
 * Random histories of many invocations, delivered shuffled and doubled, against a model that knows only the sets of results.
 * Real: Postgres and the consumers. In memory: the log.
 */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type InvocationResult, type StepResult, stepInvocationResults, stepResults, triggerInvocationResults } from '@cf/contract';
import { eventually } from '@cf/testing';
import {
  attemptOf,
  deferred,
  failed,
  inMs,
  retrying,
  stepRequest,
  stepResultOf,
  succeeded,
  suppressed,
  triggerRequest,
} from './messages.js';
import { RunningExecutions } from './running-executions.js';

const SEEDS = 300;

/** mulberry32: small, and the same numbers for the same seed everywhere. */
const randomOf = (seed: number) => (): number => {
  seed = (seed + 0x6d2b79f5) | 0;
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
};

const shuffled = <T>(items: readonly T[], random: () => number): T[] => {
  const copy = [...items];
  for (let i = copy.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [copy[i], copy[j]] = [copy[j]!, copy[i]!];
  }
  return copy;
};

const doubled = <T>(items: readonly T[], random: () => number): T[] => items.flatMap((item) => (random() < 0.4 ? [item, item] : [item]));

interface Expected {
  readonly status: string;
  readonly attempts: number;
  readonly due: { seq: number; attempt: number; at: string } | null;
  readonly httpStatus: number | null;
  readonly completedAt: string | null;
}

const later = inMs(6 * 3_600_000);
const startMs = Date.now();

/** Sendings 0, 1, 2 … of one trigger invocation; after a crash a sending may have been answered twice. */
const triggerHistory = (orgId: string, triggerId: string, random: () => number): InvocationResult[] => {
  const first = triggerRequest({ orgId, triggerId });
  const results: InvocationResult[] = [];
  const sendings = 1 + Math.floor(random() * 4);
  let attempt = 1;
  for (let seq = 0; seq < sendings; seq++) {
    const request = { ...first, seq, attempt };
    const completedAt = (twin: number): string => new Date(startMs + seq * 1_000 + twin).toISOString();
    const final = () => ({
      ...[succeeded, failed, suppressed][Math.floor(random() * 3)]!(request),
      completedAt: completedAt(1 + Math.floor(random() * 500)),
    });
    const waiting = {
      ...(random() < 0.3 ? deferred(request, later, { deferReason: 'quota' }) : retrying(request, later)),
      completedAt: completedAt(0),
    };
    const last = seq === sendings - 1;
    results.push(last && random() < 0.7 ? final() : waiting);
    if (random() < 0.2) results.push(final());
    attempt += waiting.attempts.length;
  }
  return results;
};

const rank = (result: InvocationResult): number => {
  if (result.disposition === 'suppressed') return 1;
  if (result.disposition !== 'done') return 0;
  return result.outcome === 'succeeded' ? 3 : 2;
};

const modelOf = (results: readonly InvocationResult[]): Expected => {
  const decides = [...results].sort(
    (a, b) => b.request.seq - a.request.seq || rank(b) - rank(a) || (a.completedAt < b.completedAt ? 1 : -1),
  )[0]!;
  const status = {
    done: decides.outcome === 'succeeded' ? 'succeeded' : 'dead_lettered',
    suppressed: 'suppressed',
    retrying: 'retrying',
    deferred: 'queued',
  }[decides.disposition];
  const final = rank(decides) > 0;
  return {
    status,
    attempts: new Set(results.flatMap(({ attempts }) => attempts.map(({ attemptId }) => attemptId))).size,
    due: final
      ? null
      : { seq: decides.request.seq + 1, attempt: decides.request.attempt + decides.attempts.length, at: later.toISOString() },
    httpStatus: decides.httpStatus,
    completedAt: final ? decides.completedAt : null,
  };
};

const stepHistory = (orgId: string, random: () => number): { calls: InvocationResult[]; answers: StepResult[] } => {
  const request = stepRequest({ orgId });
  const answers = [stepResultOf(request, random() < 0.5 ? {} : { outcome: 'failed', httpStatus: 500, failureReason: 'http_status' })];
  if (random() < 0.3) answers.push(stepResultOf(request, { httpStatus: 201 }));
  const calls = random() < 0.2 ? [] : [succeeded(request, { attempts: [attemptOf(request), attemptOf(request)] })];
  return { calls, answers };
};

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
      const [first] = step.answers;
      expected.set(first!.invocationId, {
        status: first!.outcome,
        attempts: step.calls.length * 2,
        due: null,
        httpStatus: first!.httpStatus,
        completedAt: first!.completedAt,
      });
      stepCalls.push(...doubled(step.calls, random));
      stepAnswers.push(...step.answers, ...doubled(step.answers, random));
    }
    const publishing = Promise.all([
      executions.publish(triggerInvocationResults, ...shuffled(calls, randomOf(0))),
      executions.publish(stepInvocationResults, ...shuffled(stepCalls, randomOf(0))),
      executions.publish(stepResults, ...stepAnswers),
    ]);
    for (let cut = 0; cut < 3; cut++) {
      await executions.sql.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'executions'`);
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
