import { Injectable } from '@nestjs/common';
import { ExecutionsDatabase } from '../database/executions-database.js';
import { chatSql } from '../query/locate-executions.js';
import { type Removed, removeExecutions } from '../retention/remove-executions.js';
import { chatHashOf } from './chat-hash.js';
import { ErasableLetters } from './erasable-letters.repository.js';

export interface Erased extends Removed {
  readonly deadLetters: number;
  readonly erasedAt: Date;
}

const AT_ONCE = 1_000;

/** A recording transaction takes well under a second. */
const LOCK_TIMEOUT_MS = 10_000;

const REMEMBER = `
  INSERT INTO erased_chats (chat_hash, org_id, erased_at) SELECT hash, $2, erased.at FROM unnest($1::text[]) AS hash, clock_timestamp() AS erased(at)
  ON CONFLICT (chat_hash) DO UPDATE SET erased_at = excluded.erased_at RETURNING erased_at AS "erasedAt"`;

/**
 * Stands for the chat where a replay named it, in what it was called and what it was ordered by. A filter keeps a chat, since without one it would
 * be for all executions; no execution is of this one.
 */
const NO_CHAT = '00000000-0000-0000-0000-000000000000';
const SCRUB_REPLAYS = `
  UPDATE replays SET name = regexp_replace(name, $2, '${NO_CHAT}', 'gi'), filter = regexp_replace(filter::text, $2, '${NO_CHAT}', 'gi')::json
  WHERE org_id = $1 AND (name ~* $2 OR filter::text ~* $2)`;

/**
 * Erases a chat. First it is remembered as erased, with all recorders kept out: each of their transactions asks for erased chats before
 * anything else, so every result is either in the tables by then or known as one of an erased chat. Then the tables are emptied of it.
 */
@Injectable()
export class ErasureRepository {
  constructor(
    private readonly database: ExecutionsDatabase,
    private readonly letters: ErasableLetters,
  ) {}

  async erase(orgId: string, chatId: string): Promise<Erased> {
    const erasedAt = await this.remember(orgId, chatId);
    const sum = { executions: 0, attempts: 0, requests: 0, waiting: 0 };
    for (;;) {
      const removed = await this.removeSome(orgId, chatId);
      for (const what of ['executions', 'attempts', 'requests', 'waiting'] as const) sum[what] += removed[what];
      if (removed.executions === 0) break;
    }
    await this.database.query(SCRUB_REPLAYS, [orgId, chatId]);
    return { ...sum, deadLetters: await this.letters.remove(orgId, chatId), erasedAt };
  }

  private remember(orgId: string, chatId: string): Promise<Date> {
    return this.database.system(async (manager) => {
      await manager.query(`SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}`);
      await manager.query('LOCK TABLE erased_chats IN ACCESS EXCLUSIVE MODE');
      const [row]: { erasedAt: Date }[] = await manager.query(REMEMBER, [[chatHashOf(orgId, chatId), chatHashOf(null, chatId)], orgId]);
      return row!.erasedAt;
    });
  }

  private removeSome(orgId: string, chatId: string): Promise<Removed> {
    return this.database.system(async (manager) => {
      const { sql, params } = chatSql(orgId, chatId, AT_ONCE);
      const rows: { invocationId: string }[] = await manager.query(sql, params);
      return removeExecutions(
        manager,
        rows.map(({ invocationId }) => invocationId),
        'all',
      );
    });
  }
}
