import { describe, expect, it } from '@jest/globals';
import { BatchWriter } from './batch-writer.js';

const limits = { itemsMax: 4, bytesMax: 100, writesAtOnceMax: 1 };

class Away extends Error {
  readonly retryable = true;
}

describe('BatchWriter', () => {
  it('writes what came while the last write ran as one batch', async () => {
    const batches: (readonly number[])[] = [];
    let release = (): void => undefined;
    const first = new Promise<void>((resolve) => (release = resolve));
    const writer = new BatchWriter<number>(async (batch) => {
      batches.push(batch);
      if (batches.length === 1) await first;
    }, limits);
    const begun = writer.add(1, 1);
    await new Promise((resolve) => setImmediate(resolve));
    const rest = [2, 3, 4].map((item) => writer.add(item, 1));
    release();
    await Promise.all([begun, ...rest]);
    expect(batches).toEqual([[1], [2, 3, 4]]);
  });

  it('keeps batches within their items and bytes, and takes a larger item alone', async () => {
    const batches: (readonly string[])[] = [];
    const writer = new BatchWriter<string>(async (batch) => void batches.push(batch), limits);
    await Promise.all([
      writer.add('a', 60),
      writer.add('b', 60),
      writer.add('huge', 500),
      ...'cdefg'.split('').map((item) => writer.add(item, 1)),
    ]);
    expect(batches).toEqual([['a'], ['b'], ['huge'], ['c', 'd', 'e', 'f'], ['g']]);
  });

  it('resolves only once the write has succeeded', async () => {
    let written = false;
    const writer = new BatchWriter<number>(async () => {
      await new Promise((resolve) => setImmediate(resolve));
      written = true;
    }, limits);
    await writer.add(1, 1);
    expect(written).toBe(true);
  });

  it('rejects only the offender of a batch that fails for good', async () => {
    const written: number[] = [];
    const writer = new BatchWriter<number>(async (batch) => {
      if (batch.includes(3)) throw new Error('poison');
      written.push(...batch);
    }, limits);
    const outcomes = await Promise.allSettled([1, 2, 3, 4].map((item) => writer.add(item, 1)));
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled']);
    expect(written).toEqual([1, 2, 4]);
  });

  it('rejects the whole batch without trying its parts when the database is away', async () => {
    let writes = 0;
    const writer = new BatchWriter<number>(async () => {
      writes++;
      throw new Away();
    }, limits);
    const outcomes = await Promise.allSettled([1, 2, 3].map((item) => writer.add(item, 1)));
    expect(outcomes.every(({ status }) => status === 'rejected')).toBe(true);
    expect(writes).toBe(1);
  });
});
