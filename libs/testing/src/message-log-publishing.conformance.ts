/// <reference types="jest" />
import { partitionForKey } from '@cf/messaging';
import type { DescribeTest } from './log-fixture.js';
import { contentOf, numbered, publishAll } from './log-fixture.js';

export const describePublishing = (test: DescribeTest): void => {
  test('an acknowledged record is there for a client that comes later, once', async ({ log, reopened, topic }) => {
    const name = await topic();
    await publishAll(await log(), numbered(name, 500));
    const values = (await contentOf(await reopened(), name, 0)).map(({ value }) => String(value));
    expect(values).toEqual(Array.from({ length: 500 }, (_, index) => String(index)));
  });

  test('records of one publisher for one partition lie in the order of the calls, at consecutive offsets', async ({ log, topic }) => {
    const name = await topic({ partitions: 3 });
    await publishAll(await log(), [...numbered(name, 300, 1), ...numbered(name, 300, 2)]);
    for (const partition of [1, 2]) {
      const records = await contentOf(await log(), name, partition);
      expect(records.map(({ value }) => Number(value))).toEqual(Array.from({ length: 300 }, (_, index) => index));
      expect(records.map(({ offset }) => offset)).toEqual(Array.from({ length: 300 }, (_, index) => index));
    }
  });

  test('the key decides the partition as in Kafka’s own clients', async ({ log, topic }) => {
    const name = await topic({ partitions: 6 });
    const keys = ['a', 'chat-17', '5f1f2a0e-9d52-4e7a-8f55-0d6b1c1a7f11', 'ünïcödé', ''];
    await publishAll(
      await log(),
      keys.map((key) => ({ topic: name, key, value: key })),
    );
    for (const key of keys) {
      const records = await contentOf(await log(), name, partitionForKey(key, 6));
      expect(records.map(({ value }) => String(value))).toContain(key);
    }
  });

  test('a partition that is given is honoured, whatever the key says', async ({ log, topic }) => {
    const name = await topic({ partitions: 4 });
    await publishAll(
      await log(),
      [0, 1, 2, 3].map((partition) => ({ topic: name, partition, key: 'same', value: String(partition) })),
    );
    for (const partition of [0, 1, 2, 3]) {
      expect((await contentOf(await log(), name, partition)).map(({ value }) => String(value))).toEqual([String(partition)]);
    }
  });

  test('bytes, headers, missing keys and missing values arrive as they were sent', async ({ log, reopened, topic }) => {
    const name = await topic();
    const bytes = Buffer.from([0, 255, 0xc3, 0x28, 92, 39]);
    const headers = { 'org-id': 'Ä\\"\'\u0001', empty: '' };
    const before = Date.now();
    await publishAll(await log(), [
      { topic: name, key: null, value: bytes, headers },
      { topic: name, key: 'k', value: null },
      { topic: name, key: '', value: '' },
    ]);
    const [first, second, third] = await contentOf(await reopened(), name, 0);
    expect(first).toMatchObject({ topic: name, partition: 0, offset: 0, key: null, headers });
    expect(first?.value?.equals(bytes)).toBe(true);
    expect(second).toMatchObject({ offset: 1, value: null, headers: {} });
    expect(String(second?.key)).toBe('k');
    expect(third?.value?.length).toBe(0);
    // Clocks of two machines may differ a little.
    expect(first?.timestampMs).toBeGreaterThan(before - 5_000);
    expect(first?.timestampMs).toBeLessThan(Date.now() + 5_000);
  });

  test('a record that is too large fails for good and alone', async ({ log, topic }) => {
    const name = await topic({ messageBytesMax: 20_000 });
    const publisher = (await log()).createPublisher('conformance', 'step');
    const outcomes = await Promise.allSettled(
      ['before', 'x'.repeat(30_000), 'after'].map((value) => publisher.publish({ topic: name, key: null, partition: 0, value })),
    );
    await publisher.close();
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(outcomes[1]).toMatchObject({ reason: { name: 'PublishError', retryable: false } });
    expect((await contentOf(await log(), name, 0)).map(({ value }) => String(value))).toEqual(['before', 'after']);
  });

  test('a closed publisher has appended what was given to it and takes no more', async ({ log, topic }) => {
    const name = await topic();
    const publisher = (await log()).createPublisher('conformance', 'step');
    const published = numbered(name, 50).map((record) => publisher.publish(record));
    await publisher.close();
    await Promise.all(published);
    await expect(publisher.publish({ topic: name, key: null, value: 'late' })).rejects.toThrow();
    expect(await contentOf(await log(), name, 0)).toHaveLength(50);
  });

  test('an existing topic keeps its partitions', async ({ log, reopened, topic }) => {
    const name = await topic({ partitions: 3 });
    const again = { name, partitions: 5, cleanup: 'delete', retentionMs: null, messageBytesMax: 1024 * 1024 } as const;
    await (await log()).ensureTopics([again]);
    expect(await (await log()).partitionCount(name)).toBe(3);
    const fresh = await reopened();
    await fresh.ensureTopics([again]);
    expect(await fresh.partitionCount(name)).toBe(3);
  });
};
