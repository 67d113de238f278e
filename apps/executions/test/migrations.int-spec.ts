/** Real: Postgres with the data of the release before, migrated at the start of the service. In memory: the log. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '@cf/testing';
import { inMs } from './messages.js';
import { RunningExecutions } from './running-executions.js';

describe('a database of the release before', () => {
  let executions: RunningExecutions;
  let orgId: string;

  beforeAll(async () => {
    executions = await RunningExecutions.start({ EXECUTIONS_HEALTH_FOLD_EVERY_MS: '20' });
    orgId = await executions.addOrganization();
    await executions.stopServices();
  });
  afterAll(() => executions.stop());

  it('knows which circuits were told to be open, and tells their closing', async () => {
    const [open, expired, closed] = [randomUUID(), randomUUID(), randomUUID()];
    await executions.sql.query(`DROP TABLE executions.open_circuits; DELETE FROM executions.migrations WHERE name LIKE 'OpenCircuits%'`);
    for (const [id, state, at] of [
      [open, 'half_open', inMs(-60_000)],
      [expired, 'open', inMs(-50 * 60_000)],
      [closed, 'closed', inMs(-60_000)],
    ] as const)
      await executions.sql.query(`INSERT INTO executions.function_circuits VALUES ($1, $2, 'step', 'worker-1', $3, $4)`, [
        orgId,
        id,
        state,
        at,
      ]);
    await executions.startService();
    const told = async (query = '') => (await executions.get(`/v1/orgs/${orgId}/notifications${query}`)).body.data;
    await eventually(async () =>
      expect(await told()).toMatchObject([{ cloudFunctionId: expired, type: 'circuit_closed', details: { lane: 'step' } }]),
    );
    await executions.setFunction(orgId, open, { circuitResetAt: inMs(0).toISOString() });
    await eventually(async () => expect(await told(`?cloudFunctionId=${open}`)).toMatchObject([{ type: 'circuit_closed' }]));
    expect(await told()).toHaveLength(2);
  });
});
