/** Real: Postgres, HTTP, the consumers, the claimer, the replayer. In memory: the log. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { triggerInvocationResults } from '@cf/contract';
import { eventually } from '@cf/testing';
import { deadLettered } from './dead-lettered.js';
import { failed, inMs, succeeded, triggerRequest } from './messages.js';
import { RunningExecutions } from './running-executions.js';

const WALK_ROWS_MAX = 10;
const DAY_MS = 86_400_000;

describe('a replay by filter', () => {
  let executions: RunningExecutions;

  beforeAll(async () => {
    executions = await RunningExecutions.start({
      EXECUTIONS_WALK_ROWS_MAX: String(WALK_ROWS_MAX),
      EXECUTIONS_COUNT_TIMEOUT_MS: '200',
      EXECUTIONS_REPLAY_RATE: '20',
    });
  });
  afterAll(() => executions.stop());

  const tooBroad = { status: 400, body: { code: 'query_too_broad', errors: [{ pointer: '/filter/createdAt[gte]' }] } };

  it.each([
    ['few of what did not succeed', true, false],
    ['few of everything', false, false],
    ['few of its function', true, true],
  ])('finds %s, however few rows it looks at in a turn', async (_, onlyIfNotSucceeded, byFunction) => {
    const wanted = [3, 4, 25, 41];
    const { requests, replay, progress, sent, cloudFunctionId } = await deadLettered(executions, 42, (age) =>
      wanted.includes(age) ? { failureReason: 'timeout', httpStatus: null } : {},
    );
    const filter = { failureReason: 'timeout', ...(byFunction ? { cloudFunctionId } : {}) };
    const { body } = await replay({ filter, onlyIfNotSucceeded });
    expect(body.total).toBe(wanted.length);
    await eventually(() => expect(sent()).toHaveLength(wanted.length));
    expect(sent().map(({ invocationId }) => invocationId)).toEqual(wanted.map((age) => requests[age]!.invocationId));
    await executions.publish(triggerInvocationResults, ...sent().map((request) => succeeded(request)));
    await progress(body.id, { status: 'completed', enqueued: wanted.length, succeeded: wanted.length, skipped: {} });
  });

  it('is found by its chat, and refused when the chat has more than one search finds', async () => {
    const { orgId, triggerId, cloudFunctionId, requests, replay, sent } = await deadLettered(executions, 30);
    const chatId = randomUUID();
    const days = Array.from({ length: WALK_ROWS_MAX }, (_, age) =>
      triggerRequest({ orgId, triggerId, cloudFunctionId, chatId, acceptedAt: inMs((age - 20) * DAY_MS).toISOString() }),
    );
    await executions.publish(triggerInvocationResults, ...days.map((request) => failed(request)));
    await eventually(async () => expect(await executions.recorded()).toBe(true));
    const filter = { chatId: chatId.toUpperCase() };
    expect(await replay({ filter, dryRun: true })).toMatchObject(tooBroad);
    expect(await replay({ filter })).toMatchObject(tooBroad);
    expect(await replay({ filter: { chatId: requests[0]!.chatId }, dryRun: true })).toMatchObject(tooBroad);
    const late = { ...filter, 'createdAt[gte]': days[1]!.acceptedAt };
    expect(await replay({ filter: late, dryRun: true })).toMatchObject({ status: 200, body: { count: WALK_ROWS_MAX - 1 } });
    expect((await replay({ filter: late })).body).toMatchObject({ total: WALK_ROWS_MAX - 1 });
    await eventually(() => expect(sent()).toHaveLength(WALK_ROWS_MAX - 1));
    expect(sent().map(({ invocationId }) => invocationId)).toEqual(days.slice(1).map(({ invocationId }) => invocationId));
  });

  it.each(['chatId', 'eventId'] as const)('by %s sends what was there when it was ordered, however much comes afterwards', async (name) => {
    const { orgId, triggerId, cloudFunctionId, replay, progress, sent } = await deadLettered(executions, 0);
    const [chatId, eventId] = [randomUUID(), randomUUID()];
    const record = async (acceptedAt: (age: number) => Date) => {
      const requests = Array.from({ length: WALK_ROWS_MAX - 1 }, (_, age) =>
        triggerRequest({
          ...{ orgId, triggerId, cloudFunctionId, chatId },
          event: { id: eventId, type: 'ChatOpened' },
          acceptedAt: acceptedAt(age).toISOString(),
        }),
      );
      await executions.publish(triggerInvocationResults, ...requests.map((request) => failed(request)));
      await eventually(async () => expect(await executions.recorded()).toBe(true));
      return requests.map(({ invocationId }) => invocationId);
    };
    const there = await record((age) => inMs(age - DAY_MS));
    const pace = await executions.sql.connect();
    try {
      await pace.query('BEGIN');
      await pace.query('SELECT FROM executions.replay_pace FOR UPDATE');
      const { body } = await replay({ filter: { [name]: { chatId, eventId }[name] } });
      expect(body.total).toBe(there.length);
      await record((age) => inMs(age));
      await pace.query('COMMIT');
      await progress(body.id, { enqueued: there.length, skipped: {} });
    } finally {
      pace.release();
    }
    await eventually(() => expect(sent().map(({ invocationId }) => invocationId)).toEqual(there));
  });

  it('is refused when it cannot be counted in time, and nothing is ordered', async () => {
    const { replay, path } = await deadLettered(executions, 1);
    const slow = await executions.sql.connect();
    try {
      await slow.query('BEGIN');
      await slow.query('LOCK TABLE executions.executions IN ACCESS EXCLUSIVE MODE');
      expect(await replay({ filter: {}, dryRun: true })).toMatchObject(tooBroad);
      expect(await replay({ filter: {} })).toMatchObject(tooBroad);
    } finally {
      await slow.query('ROLLBACK');
      slow.release();
    }
    expect((await executions.get(path)).body.data).toEqual([]);
    expect((await replay({ filter: {}, dryRun: true })).body).toEqual({ dryRun: true, count: 1 });
  });
});
