import { describe, expect, it } from '@jest/globals';
import type { TopicSpec } from '../log.js';
import { decideTrim, DEFAULT_RETENTION_MS, READ_BACK_MS, TOMBSTONE_MS } from './retention.js';

const HOUR_MS = 60 * 60_000;
const NOW_MS = 1_000 * HOUR_MS;
const spec = (more: Partial<TopicSpec> = {}): TopicSpec => ({
  name: 'topic',
  partitions: 2,
  cleanup: 'delete',
  retentionMs: 24 * HOUR_MS,
  messageBytesMax: 1,
  ...more,
});
const group = (offsets: number[], seenAtMs = NOW_MS) => ({ seenAtMs, offset: (partition: number) => offsets[partition] ?? 0 });

describe('decideTrim', () => {
  it('keeps what the slowest group has not committed, and what a new owner may read back', () => {
    expect(decideTrim(spec(), 2, [group([10, 3]), group([7, 9])], NOW_MS)).toEqual({
      topic: 'topic',
      belowOffsets: [7, 3],
      olderThanMs: READ_BACK_MS,
    });
  });

  it('keeps all of a partition in which a group has not committed yet', () => {
    expect(decideTrim(spec(), 2, [group([10])], NOW_MS).belowOffsets).toEqual([10, 0]);
  });

  it('goes by the topic’s retention when there is no group', () => {
    expect(decideTrim(spec(), 2, [], NOW_MS)).toMatchObject({ belowOffsets: [Infinity, Infinity], olderThanMs: 24 * HOUR_MS });
    expect(decideTrim(spec({ retentionMs: null }), 2, [], NOW_MS).olderThanMs).toBe(DEFAULT_RETENTION_MS);
    expect(decideTrim(spec({ retentionMs: 1 }), 2, [], NOW_MS).olderThanMs).toBe(READ_BACK_MS);
  });

  it('does not keep records for a group that was away for longer than the retention', () => {
    const away = group([1, 1], NOW_MS - 25 * HOUR_MS);
    expect(decideTrim(spec(), 2, [away, group([10, 10])], NOW_MS).belowOffsets).toEqual([10, 10]);
    expect(decideTrim(spec(), 2, [away], NOW_MS).olderThanMs).toBe(24 * HOUR_MS);
  });

  it('keeps tombstones of a compacted topic for a day, whatever groups did', () => {
    expect(decideTrim(spec({ cleanup: 'compact' }), 2, [group([0, 0])], NOW_MS).olderThanMs).toBe(TOMBSTONE_MS);
  });
});
