import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { type HealthDelta, writeDeltas } from './health-delta.js';

/** Recording transactions in one fold, so that a fold is a short transaction too. */
export const NOTED_MAX = 1_000;

const TAKE = `
  WITH taken AS (DELETE FROM health_deltas WHERE id IN (SELECT id FROM health_deltas ORDER BY id LIMIT $1) RETURNING id, deltas)
  SELECT deltas FROM taken ORDER BY id`;

@Injectable()
export class HealthDeltas {
  /** Part of a recording transaction: what is recorded once is counted once. */
  async append(manager: EntityManager, deltas: readonly HealthDelta[]): Promise<void> {
    if (deltas.length > 0) await manager.query('INSERT INTO health_deltas (deltas) VALUES ($1)', [writeDeltas(deltas)]);
  }

  /** What so many recording transactions noted first, as they wrote it; gone once this transaction is committed. */
  async take(manager: EntityManager, most: number): Promise<string[]> {
    const rows: { deltas: string }[] = await manager.query(TAKE, [most]);
    return rows.map(({ deltas }) => deltas);
  }
}
