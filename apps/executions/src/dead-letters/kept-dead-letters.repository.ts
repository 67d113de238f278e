import { Injectable } from '@nestjs/common';
import { deadLetter, uuid } from '@cf/contract';
import { pageQuery, queryText, queryTime } from '@cf/service-kit';
import { z } from 'zod';
import { ExecutionsDatabase } from '../database/executions-database.js';
import type { KeptDeadLetter, WholeDeadLetter } from './dead-letter-view.js';

const filters = {
  topic: queryText(200).optional(),
  reason: deadLetter.shape.reason.optional(),
  'receivedAt[gte]': queryTime.optional(),
  'receivedAt[gt]': queryTime.optional(),
  'receivedAt[lte]': queryTime.optional(),
  'receivedAt[lt]': queryTime.optional(),
};
export const deadLettersQuery = z.object({ ...pageQuery, ...filters });
export type DeadLetterFilters = Omit<z.infer<typeof deadLettersQuery>, 'limit' | 'cursor'>;

export const deadLetterCursor = z.object({ receivedAt: queryTime, id: uuid });
export type DeadLetterCursor = z.infer<typeof deadLetterCursor>;

const conditions: Readonly<Record<keyof DeadLetterFilters, string>> = {
  topic: 'origin_topic =',
  reason: 'reason =',
  'receivedAt[gte]': 'received_at >=',
  'receivedAt[gt]': 'received_at >',
  'receivedAt[lte]': 'received_at <=',
  'receivedAt[lt]': 'received_at <',
};

const LISTED = `id, origin_topic AS topic, origin_partition AS partition, origin_offset AS "offset", reason, detail, received_at AS "receivedAt", key,
  truncated, resent_at AS "resentAt", resent_by AS "resentBy", resent_count AS "resentCount"`;
const WHOLE = `${LISTED}, value_base64 AS "valueBase64", value_sha256 AS "valueSha256", headers`;

/** Raw records belong to no organization that could be trusted, so only operators see them. */
@Injectable()
export class KeptDeadLetters {
  constructor(private readonly database: ExecutionsDatabase) {}

  list(given: DeadLetterFilters, after: DeadLetterCursor | null, limit: number): Promise<KeptDeadLetter[]> {
    const params: unknown[] = [];
    const next = (value: unknown): string => `$${params.push(value)}`;
    const wanted = (Object.keys(conditions) as (keyof DeadLetterFilters)[]).filter((name) => given[name] !== undefined);
    const where = wanted.map((name) => `${conditions[name]} ${next(given[name])}`);
    if (after !== null) where.push(`(received_at, id) < (${next(after.receivedAt)}, ${next(after.id)})`);
    return this.database.query<KeptDeadLetter>(
      `SELECT ${LISTED} FROM dead_letters WHERE ${['true', ...where].join(' AND ')} ORDER BY received_at DESC, id DESC LIMIT ${limit}`,
      params,
    );
  }

  async find(id: string): Promise<WholeDeadLetter | null> {
    const [letter] = await this.database.query<WholeDeadLetter>(`SELECT ${WHOLE} FROM dead_letters WHERE id = $1`, [id]);
    return letter ?? null;
  }

  /** Holds the letter while `send` runs, so that two requests are two sendings one after the other, and marks it then. Null when there is none. */
  resend(id: string, by: string, send: (letter: WholeDeadLetter) => Promise<void>): Promise<WholeDeadLetter | null> {
    return this.database.system(async (manager) => {
      const [letter]: WholeDeadLetter[] = await manager.query(`SELECT ${WHOLE} FROM dead_letters WHERE id = $1 FOR UPDATE`, [id]);
      if (letter === undefined) return null;
      await send(letter);
      const resentAt = new Date();
      await manager.query(`UPDATE dead_letters SET resent_at = $2, resent_by = $3, resent_count = resent_count + 1 WHERE id = $1`, [
        id,
        resentAt,
        by,
      ]);
      return { ...letter, resentAt, resentBy: by, resentCount: letter.resentCount + 1 };
    });
  }
}
