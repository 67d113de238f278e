import { Inject, Injectable } from '@nestjs/common';
import { ExecutionsDatabase } from '../database/executions-database.js';
import { readExecution, selectedColumns } from '../database/execution-columns.js';
import { leaseIsOver } from '../due/lease-is-over.js';
import type { Execution } from '../execution.js';
import { EXECUTIONS_CONFIG, type ExecutionsConfig } from '../executions.config.js';
import type { Waiting } from './check-cancellation.js';

type Row = Parameters<typeof readExecution>[0];

const CANCEL = `
  WITH waited AS (DELETE FROM due WHERE invocation_id = $1)
  UPDATE executions SET status = 'cancelled', next_attempt_at = NULL, paused = false, by_result = false, defer_reason = NULL,
         completed_at = date_trunc('milliseconds', now())
  WHERE invocation_id = $1`;

@Injectable()
export class CancellationsRepository {
  constructor(
    private readonly database: ExecutionsDatabase,
    @Inject(EXECUTIONS_CONFIG) private readonly config: ExecutionsConfig,
  ) {}

  /** Locks the execution, lets `approve` refuse by throwing, and takes it out of the due table. False when there is none; cancelled stays so. */
  cancel(orgId: string, invocationId: string, approve: (row: Execution, waiting: Waiting) => Promise<void>): Promise<boolean> {
    return this.database.tenant(orgId, async (manager) => {
      const [row]: Row[] = await manager.query(`SELECT ${selectedColumns} FROM executions WHERE invocation_id = $1 FOR UPDATE`, [
        invocationId,
      ]);
      if (row === undefined) return false;
      if (row.status === 'cancelled') return true;
      const [due]: { taken: boolean }[] = await manager.query(
        `SELECT NOT ${leaseIsOver('$2')} AS taken FROM due WHERE invocation_id = $1 FOR UPDATE`,
        [invocationId, this.config.EXECUTIONS_CLAIM_LEASE_MS],
      );
      await approve(readExecution(row), due === undefined ? 'no' : due.taken ? 'taken' : 'yes');
      await manager.query(CANCEL, [invocationId]);
      return true;
    });
  }
}
