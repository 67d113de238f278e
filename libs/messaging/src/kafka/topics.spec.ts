import { describe, expect, it } from '@jest/globals';
import type { Connection } from './connection.js';
import { ensureTopics } from './topics.js';

const spec = { name: 'a', partitions: 1, cleanup: 'delete', retentionMs: null, messageBytesMax: 1_000 } as const;
/** Longer than a topic that may not exist is waited for. */
const LATE_MS = 2_300;

describe('topics that a start makes sure of', () => {
  it('are waited for when the broker tells of them seconds after it has created them', async () => {
    const knownAtMs = performance.now() + LATE_MS;
    const created: string[] = [];
    const connection = {
      physical: (name: string) => name,
      leaders: () =>
        performance.now() < knownAtMs
          ? Promise.reject(Object.assign(new Error('unknown'), { type: 'UNKNOWN_TOPIC_OR_PARTITION' }))
          : Promise.resolve([1]),
      cluster: {
        findControllerBroker: () =>
          Promise.resolve({
            createTopics: ({ topics }: { topics: { topic: string }[] }) => void created.push(...topics.map(({ topic }) => topic)),
          }),
      },
    } as unknown as Connection;

    await ensureTopics(connection, [spec]);

    expect(created).toEqual(['a']);
  });
});
