/// <reference types="jest" />
import type { MessageLog } from '@cf/messaging';
import type { DescribeTest } from './log-fixture.js';
import { publishAll } from './log-fixture.js';

/** What somebody knows who reads a compacted topic from its beginning. */
const lastValues = async (log: MessageLog, topic: string): Promise<Map<string, string | null>> => {
  const last = new Map<string, string | null>();
  const reader = log.read({
    topic,
    from: 'beginning',
    onRecords: (_, records) => records.forEach(({ key, value }) => last.set(String(key), value === null ? null : String(value))),
  });
  await reader.positioned;
  await reader.reached(await log.endOffsets(topic), 30_000);
  await reader.close();
  return last;
};

export const describeCompaction = (test: DescribeTest): void => {
  test('a compacted topic ends with the last value of each key, and its end stays where it was', async ({ log, reopened, topic }) => {
    const name = await topic({ cleanup: 'compact' });
    const rounds = Array.from({ length: 10 }, (_, round) =>
      ['a', 'b', 'c'].map((key) => ({ topic: name, key, value: `${key}${round}` })),
    ).flat();
    await publishAll(await log(), rounds);
    await publishAll(await log(), [
      { topic: name, key: 'b', value: null },
      { topic: name, key: 'd', value: 'd0' },
      { topic: name, key: 'a', value: 'a10' },
    ]);
    const expected = new Map<string, string | null>(Object.entries({ a: 'a10', b: null, c: 'c9', d: 'd0' }));
    expect(await lastValues(await log(), name)).toEqual(expected);
    const fresh = await reopened();
    expect(await lastValues(fresh, name)).toEqual(expected);
    expect(await fresh.endOffsets(name)).toEqual([33]);
    await publishAll(fresh, [{ topic: name, key: 'e', value: 'e0' }]);
    expect(await fresh.endOffsets(name)).toEqual([34]);
  });

  test('a compacted topic refuses a record without a key, for good', async ({ log, topic }) => {
    const name = await topic({ cleanup: 'compact' });
    const publisher = (await log()).createPublisher('conformance', 'trigger');
    await expect(publisher.publish({ topic: name, key: null, value: 'x' })).rejects.toMatchObject({ retryable: false });
    await publisher.publish({ topic: name, key: 'k', value: 'x' });
    await publisher.close();
  });
};
