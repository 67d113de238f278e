import { Injectable } from '@nestjs/common';
import type { DeadLetter } from '@cf/contract';
import type { EntityManager } from 'typeorm';
import { ExecutionsDatabase } from '../database/executions-database.js';
import { namedIn } from './named-ids.js';

/** Values are 1.4 MB at most. */
const READ_AT_ONCE = 20;

const UNREAD = `
  SELECT id, key, detail, headers, value_base64 AS "valueBase64" FROM dead_letters WHERE ids IS NULL LIMIT ${READ_AT_ONCE} FOR UPDATE`;

const NOTE = `
  UPDATE dead_letters SET ids = given."ids", organization_ids = given."organizationIds"
  FROM json_to_recordset($1::json) AS given("id" uuid, "ids" uuid[], "organizationIds" uuid[]) WHERE dead_letters.id = given."id"`;

/** Letters that hold the chat, unless they name an organization that is another one. */
const REMOVE = `DELETE FROM dead_letters WHERE ids @> ARRAY[$1::uuid] AND (organization_ids = '{}' OR $2::uuid = ANY(organization_ids))`;

/** Dead letters by what they name, which is noted when they are kept. */
@Injectable()
export class ErasableLetters {
  constructor(private readonly database: ExecutionsDatabase) {}

  /** Notes what those letters name that the release before kept, a few at a time: each is read once, and what was read stays so. */
  async readUnread(): Promise<void> {
    while ((await this.readSome()) > 0);
  }

  /** How many there were. */
  async remove(orgId: string, chatId: string): Promise<number> {
    await this.readUnread();
    return this.database.system(async (manager) => {
      const [, count]: [unknown, number] = await manager.query(REMOVE, [chatId, orgId]);
      return count;
    });
  }

  private readSome(): Promise<number> {
    return this.database.system(async (manager: EntityManager) => {
      const letters: (DeadLetter & { id: string })[] = await manager.query(UNREAD);
      const named = letters.map((letter) => ({ id: letter.id, ...namedIn(letter) }));
      if (named.length > 0) await manager.query(NOTE, [JSON.stringify(named)]);
      return named.length;
    });
  }
}
