/// <reference types="jest" />
import type { LogRecord, MessageLog } from '@cf/messaging';
import { eventually } from './eventually.js';
import type { DescribeTest } from './log-fixture.js';
import { numbered, publishAll } from './log-fixture.js';

const collect = async (chunks: AsyncIterable<readonly LogRecord[]>): Promise<number[]> => {
  const values: number[] = [];
  for await (const chunk of chunks) values.push(...chunk.map(({ value }) => Number(value)));
  return values;
};

const range = (from: number, until: number): number[] => Array.from({ length: until - from }, (_, index) => from + index);

const newestTimestampMs = async (log: MessageLog, topic: string, untilOffset: number): Promise<number> => {
  let newest = 0;
  for await (const chunk of log.readBack({ topic, partition: 0, untilOffset, sinceMs: 0, recordsMax: 1 }))
    newest = chunk.at(-1)?.timestampMs ?? newest;
  return newest;
};

export const describeReading = (test: DescribeTest): void => {
  test('a reader from the beginning gets what lies there and what comes, and says when it has reached an end', async ({ log, topic }) => {
    const name = await topic({ partitions: 2 });
    await publishAll(await log(), [...numbered(name, 1_200, 0), ...numbered(name, 3, 1)]);
    const seen: number[][] = [[], []];
    const reader = (await log()).read({
      topic: name,
      from: 'beginning',
      onRecords: (partition, records) => seen[partition]?.push(...records.map(({ value }) => Number(value))),
    });
    await reader.positioned;
    await reader.reached(await (await log()).endOffsets(name), 30_000);
    expect(seen).toEqual([range(0, 1_200), range(0, 3)]);
    expect(reader.positions()).toEqual([1_200, 3]);
    await publishAll(await log(), numbered(name, 2, 1, 3));
    await reader.reached([1_200, 5], 30_000);
    expect(seen[1]).toEqual(range(0, 5));
    await reader.close();
  });

  test('a reader from the end gets what was published after it was positioned, and nothing older', async ({ log, topic }) => {
    const name = await topic({ partitions: 2 });
    await publishAll(await log(), numbered(name, 20, 0));
    const seen: string[] = [];
    const reader = (await log()).read({
      topic: name,
      from: 'end',
      onRecords: (_, records) => seen.push(...records.map(({ value }) => String(value))),
    });
    await reader.positioned;
    expect(reader.positions()).toEqual([20, 0]);
    await publishAll(await log(), [
      { topic: name, partition: 0, key: null, value: 'new' },
      { topic: name, partition: 1, key: null, value: 'first' },
    ]);
    await reader.reached([21, 1], 30_000);
    expect(seen.sort()).toEqual(['first', 'new']);
    await reader.close();
  });

  test('a reader that waits for an end that does not come is told so', async ({ log, topic }) => {
    const name = await topic();
    const reader = (await log()).read({ topic: name, from: 'beginning', onRecords: () => undefined });
    await reader.positioned;
    await expect(reader.reached([1], 200)).rejects.toThrow();
    await reader.reached([0], 200);
    await reader.close();
  });

  test('a closed reader gets nothing more', async ({ log, topic }) => {
    const name = await topic();
    const seen: Record<'closed' | 'open', string[]> = { closed: [], open: [] };
    const client = await log();
    const readers = (['closed', 'open'] as const).map((state) =>
      client.read({
        topic: name,
        from: 'beginning',
        onRecords: (_, records) => seen[state].push(...records.map(({ value }) => String(value))),
      }),
    );
    await Promise.all(readers.map((reader) => reader.positioned));
    await readers[0]?.close();
    await publishAll(client, numbered(name, 1));
    await eventually(() => expect(seen.open).toEqual(['0']));
    expect(seen.closed).toEqual([]);
    await readers[1]?.close();
  });

  test('reading back gives the records below an offset, oldest first, in chunks', async ({ log, topic }) => {
    const name = await topic({ partitions: 2 });
    await publishAll(await log(), numbered(name, 2_500, 1));
    const back = { topic: name, partition: 1, sinceMs: 0, recordsMax: 100_000 };
    expect(await collect((await log()).readBack({ ...back, untilOffset: 2_000 }))).toEqual(range(0, 2_000));
    expect(await collect((await log()).readBack({ ...back, untilOffset: 0 }))).toEqual([]);
    expect(await collect((await log()).readBack({ ...back, partition: 0, untilOffset: 0 }))).toEqual([]);
  });

  test('reading back ends at the given number of records', async ({ log, reopened, topic }) => {
    const name = await topic();
    await publishAll(await log(), numbered(name, 1_500));
    const back = { topic: name, partition: 0, sinceMs: 0, untilOffset: 1_400, recordsMax: 700 };
    expect(await collect((await log()).readBack(back))).toEqual(range(700, 1_400));
    expect(await collect((await reopened()).readBack(back))).toEqual(range(700, 1_400));
  });

  test('reading back ends at the given age', async ({ log, reopened, topic }) => {
    const name = await topic();
    await publishAll(await log(), numbered(name, 30));
    const youngest = await newestTimestampMs(await log(), name, 30);
    await eventually(() => expect(Date.now()).toBeGreaterThan(youngest + 50));
    await publishAll(await log(), numbered(name, 20, undefined, 30));
    const back = { topic: name, partition: 0, untilOffset: 50, recordsMax: 100_000, sinceMs: youngest + 1 };
    expect(await collect((await log()).readBack(back))).toEqual(range(30, 50));
    expect(await collect((await reopened()).readBack(back))).toEqual(range(30, 50));
    expect(await collect((await log()).readBack({ ...back, sinceMs: Date.now() + 60_000 }))).toEqual([]);
  });
};
