import type { EntityManager } from 'typeorm';
import { nextVersion } from '../database/versioned-row.js';
import { appendChanges, appendDeletion } from './append-change.js';
import { findRows, type FoundRow } from './find-rows.js';
import type { PublishedKind } from './published-kind.js';
import { compareToRow, type TopicState } from './topic-state.js';

export interface WatchedTopic {
  readonly topic: string;
  readonly kinds: readonly PublishedKind[];
  readonly tombstoneAfterMs: number;
  /** Reads what the topic holds by now; records that come meanwhile are seen by `latest`. */
  readToEnd(): Promise<void>;
  latest(id: string): TopicState | undefined;
}

interface InChangeLog {
  readonly id: string;
  readonly version: number;
  /** A change waits to be published; a tombstone that waits for its time does not count. */
  readonly waits: boolean;
}

const findInChangeLog = (manager: EntityManager, ids: readonly string[]): Promise<InChangeLog[]> =>
  manager.query(
    `SELECT resource_id AS id, max(version) AS version, bool_or(value IS NOT NULL) AS waits
       FROM registry.changes WHERE resource_id = ANY($1::uuid[]) GROUP BY resource_id`,
    [ids],
  );

/**
 * Judges suspects with their rows locked, so that none of them is written meanwhile, and appends the present state of those that
 * the topic really has wrong. What waits in the change log speaks for itself. Resolves to the number of resources put right.
 */
export const putRight = async (
  manager: EntityManager,
  suspects: ReadonlyMap<string, TopicState>,
  watched: WatchedTopic,
): Promise<number> => {
  const ids = [...suspects.keys()];
  const rows = new Map((await findRows(manager, watched.kinds, ids, 'locked')).map((found) => [found.row.id, found]));
  const inChangeLog = new Map((await findInChangeLog(manager, ids)).map((change) => [change.id, change]));
  await watched.readToEnd();
  const wrong = [...suspects]
    .filter(([id]) => inChangeLog.get(id)?.waits !== true)
    .map(([id, suspected]) => ({ id, state: watched.latest(id) ?? suspected, found: rows.get(id) }))
    .filter(({ state, found }) => compareToRow(state, found?.row.version ?? null) !== 'agrees');
  for (const { state, found } of wrong) if (found !== undefined) await raiseVersion(manager, state, found);
  const present = wrong.flatMap(({ found }) => found ?? []);
  for (const kind of watched.kinds) {
    const rowsOfKind = present.filter((found) => found.kind === kind).map(({ row }) => row);
    if (rowsOfKind.length > 0) await appendChanges(manager, kind, rowsOfKind);
  }
  const gone = wrong.flatMap(({ id, state, found }) =>
    found === undefined && state.type !== null ? [{ id, state, type: state.type }] : [],
  );
  for (const { id, state, type } of gone) {
    // The tombstone that waits remembers the version of the deletion.
    const version = Math.max(inChangeLog.get(id)?.version ?? 0, state.version + 1);
    await appendDeletion(manager, { orgId: state.orgId ?? id, type, topic: watched.topic, id, version }, watched.tombstoneAfterMs);
  }
  return present.length + gone.length;
};

const raiseVersion = async (manager: EntityManager, state: TopicState, { kind, row }: FoundRow): Promise<void> => {
  if (compareToRow(state, row.version) !== 'row_is_behind') return;
  Object.assign(row, nextVersion({ ...row, version: state.version }));
  await manager.save(kind.entity, row);
};
