import type { EntityManager } from 'typeorm';
import type { QueryDeepPartialEntity } from 'typeorm';
import type { VersionedRow } from '../database/versioned-row.js';
import { ChangeEntity } from './change.entity.js';
import type { PublishedKind } from './published-kind.js';

/** Postgres channels between writers and the relay; what comes over them are hints, the table is the truth. */
export const APPENDED_CHANNEL = 'registry_change_appended';
export const PUBLISHED_CHANNEL = 'registry_change_published';

const insert = async (manager: EntityManager, changes: QueryDeepPartialEntity<ChangeEntity>[]): Promise<string[]> => {
  const { identifiers } = await manager.insert(ChangeEntity, changes);
  // Postgres sends it when, and only when, the transaction commits.
  await manager.query('SELECT pg_notify($1, $2)', [APPENDED_CHANNEL, '']);
  return identifiers.map(({ id }) => String(id));
};

/**
 * Writes that resources now have this state. Must run in the transaction that holds the rows' locks: that gives the changes
 * of one resource the order of their versions. Resolves to the changes' ids.
 */
export const appendChanges = <Row extends VersionedRow>(
  manager: EntityManager,
  kind: PublishedKind<Row>,
  rows: readonly Row[],
): Promise<string[]> =>
  insert(
    manager,
    rows.map((row) => ({
      orgId: kind.orgIdOf(row),
      topic: kind.topic.name,
      resourceId: row.id,
      version: row.version,
      value: JSON.stringify({ type: kind.type, id: row.id, version: row.version, deleted: false, resource: kind.resourceOf(row) }),
    })),
  );

export interface Deletion {
  readonly orgId: string;
  readonly type: PublishedKind['type'];
  readonly topic: string;
  readonly id: string;
  readonly version: number;
}

/** Writes that a resource is gone, and the tombstone that removes its record once every cache has heard of it. */
export const appendDeletion = async (
  manager: EntityManager,
  { orgId, type, topic, id, version }: Deletion,
  tombstoneAfterMs: number,
): Promise<string> => {
  const change = { orgId, topic, resourceId: id, version };
  const [changeId] = await insert(manager, [{ ...change, value: JSON.stringify({ type, id, version, deleted: true, resource: null }) }]);
  await manager.insert(ChangeEntity, { ...change, value: null, publishAt: () => `now() + ${tombstoneAfterMs} * interval '1 millisecond'` });
  return String(changeId);
};
