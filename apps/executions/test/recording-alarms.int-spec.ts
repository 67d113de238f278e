/** What an operator must hear of while work goes on. Real: Postgres, HTTP, the consumers. In memory: the log. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { triggerInvocationResults } from '@cf/contract';
import { eventually } from '@cf/testing';
import { machineClock } from '../src/retention/clock-watch.js';
import { failed, retrying, inMs, succeeded, triggerRequest } from './messages.js';
import { RunningExecutions } from './running-executions.js';

describe('the recorder', () => {
  let executions: RunningExecutions;
  let orgId: string;
  const triggerId = randomUUID();

  beforeAll(async () => {
    executions = await RunningExecutions.start({ EXECUTIONS_PARTITION_LOOK_EVERY_MS: '100', EXECUTIONS_RETENTION_EVERY_MS: '100' });
    orgId = await executions.addOrganization();
    await executions.setTrigger(orgId, triggerId);
  });
  afterAll(() => executions.stop());

  const detailOf = async (part: string): Promise<string> => (await executions.get('/health/ready')).body.parts[part].detail;
  const execution = (invocationId: string, expected: object) =>
    eventually(
      async () => expect((await executions.get(`/v1/orgs/${orgId}/executions/${invocationId}`)).body).toMatchObject(expected),
      30_000,
    );

  it('records a day without its partition in the default one, says so, and moves the rows when it can be made', async () => {
    const { sql } = executions;
    const today = new Date().toISOString().slice(0, 10).replaceAll('-', '');
    const rowsIn = async (table: string) => Number((await sql.query(`SELECT count(*) FROM executions.${table}`)).rows[0].count);
    // Its name is taken, so that the partition cannot be made anew.
    await sql.query(`BEGIN; DROP TABLE executions.attempts_${today}; CREATE TABLE executions.attempts_${today} (taken boolean); COMMIT`);
    const request = triggerRequest({ orgId, triggerId });
    await executions.publish(triggerInvocationResults, failed(request));
    await execution(request.invocationId, { status: 'dead_lettered', attemptCount: 1, attempts: [{ number: 1 }] });
    expect(await rowsIn('attempts_default')).toBe(1);
    await eventually(async () => {
      expect(await detailOf('executions-partitions')).toMatch(/^1 daily partitions could not be made, 1 rows lie in a default partition/);
      expect(await executions.metric('cf_executions_partitions_missing')).toBe(1);
      expect(await executions.metric('cf_executions_default_partition_rows', { table: 'attempts' })).toBe(1);
    });
    await sql.query(`DROP TABLE executions.attempts_${today}`);
    await eventually(async () => expect(await detailOf('executions-partitions')).toBe('made ahead'));
    expect([await rowsIn('attempts_default'), await rowsIn(`attempts_${today}`)]).toEqual([0, 1]);
    await execution(request.invocationId, { attempts: [{ number: 1 }] });
  });

  it('waits while the disk is full, says so, and goes on when there is room', async () => {
    const { sql } = executions;
    await sql.query(`CREATE FUNCTION executions.fill_disk() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$`);
    await sql.query('CREATE TRIGGER full_disk BEFORE INSERT ON executions.executions EXECUTE FUNCTION executions.fill_disk()');
    const [first, second] = [triggerRequest({ orgId, triggerId }), triggerRequest({ orgId, triggerId })];
    await executions.publish(triggerInvocationResults, succeeded(first), retrying(second, inMs(0)));
    await eventually(async () => {
      expect(await detailOf('executions-recorder')).toBe('the disk of Postgres is full');
      expect(await executions.metric('cf_executions_batches_refused_total', { sqlState: '53100' })).toBeGreaterThan(1);
    });
    expect(await executions.recorded()).toBe(false);
    await sql.query('DROP TRIGGER full_disk ON executions.executions');
    await execution(first.invocationId, { status: 'succeeded', attemptCount: 1 });
    await eventually(() => expect(executions.sentOf(second.invocationId)).toHaveLength(1));
    await eventually(async () => expect(await detailOf('executions-recorder')).toBe('recording'));
  });

  it('deletes nothing for its age while the clock is in doubt, says so, and does all other work', async () => {
    const { sql } = executions;
    const brief = await executions.addOrganization(undefined, 1);
    const old = triggerRequest({ orgId: brief, triggerId: null });
    await executions.publish(triggerInvocationResults, failed(old));
    const kept = async () => (await executions.get(`/v1/orgs/${brief}/executions/${old.invocationId}`)).status === 200;
    await eventually(async () => expect(await kept()).toBe(true));
    // As a machine whose clock was set three days ahead would say.
    const jumped = jest.spyOn(machineClock, 'wall').mockImplementation(() => Date.now() + 3 * 86_400_000);
    try {
      expect(await detailOf('executions-clock')).toMatch(/^jumped by 259\d{3} s since the start/);
      const [retried, expired] = [
        triggerRequest({ orgId, triggerId }),
        triggerRequest({ orgId: brief, triggerId: null, acceptedAt: inMs(-2 * 86_400_000).toISOString() }),
      ];
      await executions.publish(triggerInvocationResults, retrying(retried, inMs(0)), failed(expired));
      await eventually(() => expect(executions.sentOf(retried.invocationId)).toHaveLength(1));
      await eventually(async () => expect((await executions.get(`/v1/orgs/${brief}/executions/${expired.invocationId}`)).status).toBe(200));
      const turn = Date.now() / 1_000;
      await eventually(async () => expect(await executions.metric('cf_executions_retention_last_timestamp_seconds')).toBeGreaterThan(turn));
      expect(await kept()).toBe(true);
    } finally {
      jumped.mockRestore();
    }
    expect(await detailOf('executions-clock')).toBe('trusted');
    await sql.query(`UPDATE executions.executions SET created_at = created_at - interval '3 days' WHERE invocation_id = $1`, [
      old.invocationId,
    ]);
    await eventually(async () => expect(await kept()).toBe(false));
  });

  it('buries a result that Postgres cannot store, counts it, and records what came with it', async () => {
    const [bad, good] = [triggerRequest({ orgId, triggerId }), triggerRequest({ orgId, triggerId })];
    await executions.publish(triggerInvocationResults, failed(bad, { httpStatus: 3_000_000_000 }), succeeded(good));
    await execution(good.invocationId, { status: 'succeeded' });
    await eventually(async () => {
      const { body } = await executions.get('/v1/dead-letters?limit=100');
      expect(body.data).toContainEqual(
        expect.objectContaining({ reason: 'handler_failed', detail: expect.stringMatching(/out of range/) }),
      );
    });
    expect(await executions.metric('cf_executions_batches_refused_total', { sqlState: '22003' })).toBeGreaterThan(0);
    await executions.publish(triggerInvocationResults, succeeded(triggerRequest({ orgId, triggerId })));
    await eventually(async () => expect(await detailOf('executions-recorder')).toBe('recording'));
  });
});
