import { Injectable } from '@nestjs/common';
import type { DeadLetter } from '@cf/contract';
import { ExecutionsDatabase } from '../database/executions-database.js';
import { chatHashesOf, namedIn } from '../erasure/named-ids.js';
import { storableJson } from '../database/storable-json.js';

const INSERT_DEAD_LETTERS = `
  INSERT INTO dead_letters (origin_topic, origin_partition, origin_offset, reason, detail, received_at, key, value_base64, value_sha256, truncated, headers,
    ids, organization_ids)
  SELECT (given."origin"->>'topic'), (given."origin"->>'partition')::integer, (given."origin"->>'offset')::bigint, given."reason", given."detail",
         given."receivedAt", given."key", given."valueBase64", given."valueSha256", given."truncated", given."headers",
         given."ids", given."organizationIds"
  FROM json_to_recordset($1::json) AS given("origin" json, "reason" text, "detail" text, "receivedAt" timestamptz, "key" text,
         "valueBase64" text, "valueSha256" text, "truncated" boolean, "headers" json, "ids" uuid[], "organizationIds" uuid[])
  ON CONFLICT DO NOTHING`;

/** One row for each record that could not be read and reason, however often its letter comes. */
@Injectable()
export class DeadLettersRepository {
  constructor(private readonly database: ExecutionsDatabase) {}

  /** Leaves out letters of chats that were erased: their topic keeps them for longer than we do. */
  async insert(letters: readonly DeadLetter[]): Promise<void> {
    const named = letters.map((letter) => ({ ...letter, ...namedIn(letter) }));
    const chats = new Map(named.map((letter) => [letter, chatHashesOf(letter)]));
    await this.database.system(async (manager) => {
      const erased: { hash: string }[] = await manager.query(
        'SELECT chat_hash AS hash FROM erased_chats WHERE chat_hash = ANY($1::text[])',
        [[...chats.values()].flat()],
      );
      const gone = new Set(erased.map(({ hash }) => hash));
      const kept = named.filter((letter) => !chats.get(letter)?.some((hash) => gone.has(hash)));
      await manager.query(INSERT_DEAD_LETTERS, [storableJson(kept)]);
    });
  }
}
