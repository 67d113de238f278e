import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { type HealthDelta, readDeltas, writeDeltas } from './health-delta.js';

/** Recording transactions in one fold, so that a fold is a short transaction too. */
export const NOTED_MAX = 1_000;

const TAKE = `DELETE FROM health_deltas WHERE id IN (SELECT id FROM health_deltas ORDER BY id LIMIT ${NOTED_MAX}) RETURNING deltas`;

@Injectable()
export class HealthDeltas {
  /** Part of a recording transaction: what is recorded once is counted once. */
  async append(manager: EntityManager, deltas: readonly HealthDelta[]): Promise<void> {
    if (deltas.length > 0) await manager.query('INSERT INTO health_deltas (deltas) VALUES ($1)', [writeDeltas(deltas)]);
  }

  /** What was noted first; gone once the transaction is committed. `noted` counts transactions. */
  async take(manager: EntityManager): Promise<{ noted: number; deltas: HealthDelta[] }> {
    const [rows] = (await manager.query(TAKE)) as [{ deltas: string }[], number];
    return { noted: rows.length, deltas: rows.flatMap((row) => readDeltas(row.deltas)) };
  }
}
