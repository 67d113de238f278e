/** Real: Postgres, the consumers, the claimer. In memory: the log. The rows of a large replay are written as the replayer leaves them. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { triggerInvocationResults } from '@cf/contract';
import { eventually } from '@cf/testing';
import { deferred, failed, inMs, retrying, triggerRequest } from './messages.js';
import { RunningExecutions } from './running-executions.js';

const REPLAYED = 100_000;
const CLAIM_MAX = 200;
const RELEASE_FIRST = 2;

/** Copies of one dead-lettered execution with its request, ordered in bulk long before anything fresh is due. */
const COPY = `
  WITH copied AS (
    INSERT INTO executions.executions SELECT copy.* FROM executions.executions AS template, generate_series(1, $2) AS n, LATERAL jsonb_populate_record(
      template, jsonb_build_object('invocation_id', md5(n::text)::uuid, 'status', 'queued', 'bulk', true, 'completed_at', NULL, 'next_attempt_at', now())) AS copy
    WHERE template.invocation_id = $1::uuid
    RETURNING *),
  requested AS (
    INSERT INTO executions.requests (invocation_id, org_id, accepted_at, envelope, body, truncated)
    SELECT copied.invocation_id, copied.org_id, copied.accepted_at, replace(envelope, $1::uuid::text, copied.invocation_id::text), body, false
    FROM copied, executions.requests WHERE requests.invocation_id = $1::uuid)
  INSERT INTO executions.due (invocation_id, org_id, cloud_function_id, trigger_id, seq, attempt, origin, priority, due_at, held)
  SELECT invocation_id, org_id, cloud_function_id, trigger_id, seq, next_attempt, 'bulk_replay', 2, now() - interval '1 hour', true FROM copied`;

describe(`a replay of ${REPLAYED.toLocaleString('en')}`, () => {
  let executions: RunningExecutions;
  let orgId: string;
  const [triggerId, cloudFunctionId] = [randomUUID(), randomUUID()];
  const fresh = () => triggerRequest({ orgId, triggerId, cloudFunctionId });
  const recorded = () => eventually(async () => expect(await executions.recorded()).toBe(true));

  beforeAll(async () => {
    executions = await RunningExecutions.start({
      EXECUTIONS_CLAIM_MAX: String(CLAIM_MAX),
      EXECUTIONS_RELEASE_EVERY_MS: '600000',
      EXECUTIONS_RELEASE_FIRST: String(RELEASE_FIRST),
    });
    orgId = await executions.addOrganization();
    await executions.setTrigger(orgId, triggerId);
    await executions.setFunction(orgId, cloudFunctionId);
    const template = triggerRequest({ orgId, triggerId, cloudFunctionId, acceptedAt: inMs(-48 * 3_600_000).toISOString() });
    await executions.publish(triggerInvocationResults, failed(template));
    await recorded();
    await executions.sql.query(COPY, [template.invocationId, REPLAYED]);
  }, 60_000);
  afterAll(() => executions.stop());

  it('does not delay fresh work of its function that waits for the endpoint to be well', async () => {
    const waiting = fresh();
    await executions.publish(triggerInvocationResults, deferred(waiting, inMs(0)));
    await eventually(() => expect(executions.sent).toHaveLength(RELEASE_FIRST));
    expect(executions.sent.map(({ invocationId }) => invocationId)).toContain(waiting.invocationId);
  });

  it('does not delay a fresh retry: it is in the next claim', async () => {
    await executions.changeDue('held = false');
    await eventually(() => expect(executions.sent.length).toBeGreaterThan(2 * CLAIM_MAX));
    const retry = fresh();
    await executions.publish(triggerInvocationResults, retrying(retry, inMs(0)));
    await recorded();
    const sentBefore = executions.sent.length;
    await eventually(() => expect(executions.sentOf(retry.invocationId)).toHaveLength(1));
    // The claim that was under way, its own, and one that was sent and not seen here yet.
    expect(executions.sent.findIndex(({ invocationId }) => invocationId === retry.invocationId)).toBeLessThan(sentBefore + 3 * CLAIM_MAX);
    const { rows } = await executions.sql.query('SELECT FROM executions.due LIMIT $1', [3 * CLAIM_MAX]);
    expect(rows).toHaveLength(3 * CLAIM_MAX);
  });
});
