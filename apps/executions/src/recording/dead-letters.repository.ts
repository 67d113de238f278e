import { Injectable } from '@nestjs/common';
import type { DeadLetter } from '@cf/contract';
import { ExecutionsDatabase } from '../database/executions-database.js';
import { storableJson } from '../database/storable-json.js';

const INSERT_DEAD_LETTERS = `
  INSERT INTO dead_letters (origin_topic, origin_partition, origin_offset, reason, detail, received_at, key, value_base64, value_sha256, truncated, headers)
  SELECT (given."origin"->>'topic'), (given."origin"->>'partition')::integer, (given."origin"->>'offset')::bigint, given."reason", given."detail",
         given."receivedAt", given."key", given."valueBase64", given."valueSha256", given."truncated", given."headers"
  FROM json_to_recordset($1::json) AS given("origin" json, "reason" text, "detail" text, "receivedAt" timestamptz, "key" text,
         "valueBase64" text, "valueSha256" text, "truncated" boolean, "headers" json)
  ON CONFLICT DO NOTHING`;

/** One row for each record that could not be read and reason, however often its letter comes. */
@Injectable()
export class DeadLettersRepository {
  constructor(private readonly database: ExecutionsDatabase) {}

  async insert(letters: readonly DeadLetter[]): Promise<void> {
    await this.database.system((manager) => manager.query(INSERT_DEAD_LETTERS, [storableJson(letters)]));
  }
}
