import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { storableJson } from '../database/storable-json.js';
import type { HealthDelta } from './tally-recording.js';

const APPEND = `
  INSERT INTO health_deltas (org_id, cloud_function_id, bucket_at, tally)
  SELECT given."orgId", given."cloudFunctionId", given."bucketAt", given."tally"
  FROM json_to_recordset($1::json) AS given("orgId" uuid, "cloudFunctionId" uuid, "bucketAt" timestamptz, "tally" jsonb)`;

/** Part of a recording transaction: what is recorded once is counted once. */
@Injectable()
export class HealthDeltas {
  async append(manager: EntityManager, deltas: readonly HealthDelta[]): Promise<void> {
    if (deltas.length > 0) await manager.query(APPEND, [storableJson(deltas)]);
  }
}
