/** Decides what may be dropped of a topic (guarantees.md §9). Pure: the storage does the dropping, in units of its own. */
import type { TopicSpec } from '../log.js';
import type { TrimLimit } from './log-storage.js';

/** New owners read back as far as this to know what was done already (10 min of step results, 5 min of requests; guarantees.md §2, §3). */
export const READ_BACK_MS = 15 * 60_000;
/** For topics that name no retention. Also how long a group may be away before records are no longer kept for it. */
export const DEFAULT_RETENTION_MS = 7 * 24 * 60 * 60_000;
/** Deleted keys of a compacted topic stay readable as tombstones for a day. */
export const TOMBSTONE_MS = 24 * 60 * 60_000;

export interface DurableGroup {
  readonly seenAtMs: number;
  readonly offset: (partition: number) => number;
}

export const decideTrim = (spec: TopicSpec, partitions: number, groups: readonly DurableGroup[], nowMs: number): TrimLimit => {
  const retentionMs = spec.retentionMs ?? DEFAULT_RETENTION_MS;
  const all = (offset: (partition: number) => number): number[] => Array.from({ length: partitions }, (_, partition) => offset(partition));
  if (spec.cleanup === 'compact') return { topic: spec.name, belowOffsets: all(() => Infinity), olderThanMs: TOMBSTONE_MS };
  const present = groups.filter((group) => nowMs - group.seenAtMs < Math.max(retentionMs, READ_BACK_MS));
  if (present.length === 0)
    return { topic: spec.name, belowOffsets: all(() => Infinity), olderThanMs: Math.max(retentionMs, READ_BACK_MS) };
  const lowest = all((partition) => Math.min(...present.map((group) => group.offset(partition))));
  return { topic: spec.name, belowOffsets: lowest, olderThanMs: READ_BACK_MS };
};
