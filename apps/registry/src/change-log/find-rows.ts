import { type EntityManager, In } from 'typeorm';
import type { VersionedRow } from '../database/versioned-row.js';
import type { PublishedKind } from './published-kind.js';

export interface FoundRow {
  readonly kind: PublishedKind;
  readonly row: VersionedRow;
}

/** The rows of these ids, whatever kind they are of. Ids are unique over all kinds. */
export const findRows = async (
  manager: EntityManager,
  kinds: readonly PublishedKind[],
  ids: readonly string[],
  lock: 'locked' | 'unlocked',
): Promise<FoundRow[]> => {
  const found: FoundRow[] = [];
  for (const kind of kinds) {
    const rows = await manager.find(kind.entity, {
      where: { id: In([...ids]) },
      ...(lock === 'locked' && { lock: { mode: 'pessimistic_write' } }),
    });
    found.push(...rows.map((row) => ({ kind, row })));
  }
  return found;
};
