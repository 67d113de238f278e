import { type EntityManager, In } from 'typeorm';
import type { VersionedRow } from '../database/versioned-row.js';
import type { PublishedKind } from './published-kind.js';

export interface FoundRow {
  readonly kind: PublishedKind;
  readonly row: VersionedRow;
}

/**
 * The rows of these ids, whatever kind they are of. Ids are unique over all kinds. Locked ones may still be referred to, so that a
 * writer that holds a function and reaches for its API never waits for who holds the API and reaches for the function.
 */
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
      ...(lock === 'locked' && { lock: { mode: 'for_no_key_update' } }),
    });
    found.push(...rows.map((row) => ({ kind, row })));
  }
  return found;
};
