import { createRequire } from 'node:module';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { encodeHeaders, encodeProduceBody } from './produce-request.js';
import { readBatches } from './record-batches.js';

const require = createRequire(import.meta.url);
const { RecordBatch } = require('kafkajs/src/protocol/recordBatch/v0') as { RecordBatch(batch: object): Promise<{ buffer: Buffer }> };
const encodeRecord = require('kafkajs/src/protocol/recordBatch/record/v0') as (record: object) => object;

interface Written {
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: Record<string, string>;
  readonly timestampDelta: number;
}

const place = { topic: 't', partition: 3 };
const FIRST_MS = 1_780_000_000_000;
const APPEND_TIME = 0x08;
const CONTROL = 0x20;

const theirBatch = async (
  firstOffset: number,
  records: readonly Written[],
  more: { compression?: number; producerId?: number; transactional?: boolean; attributes?: number } = {},
): Promise<Buffer> => {
  const { attributes = 0, ...options } = more;
  const encoded = records.map((record, offsetDelta) => encodeRecord({ ...record, offsetDelta }));
  const times = { firstTimestamp: FIRST_MS, maxTimestamp: FIRST_MS + 99 };
  const { buffer } = await RecordBatch({ firstOffset, lastOffsetDelta: records.length - 1, records: encoded, ...times, ...options });
  buffer.writeInt16BE(buffer.readInt16BE(21) | attributes, 21);
  return buffer;
};

const read = async (bytes: Buffer, aborted: { producerId: bigint; firstOffset: number }[] = []): Promise<(string | number)[]> =>
  (await readBatches(bytes, place, aborted)).records.map(({ value, offset }) => value?.toString() ?? offset);

const plain = (value: string): Written => ({ key: null, value: Buffer.from(value), headers: {}, timestampDelta: 0 });
const marker = (type: number): Written => ({ ...plain(''), key: Buffer.from([0, 0, 0, type]) });

const bytes = (maxLength: number): fc.Arbitrary<Buffer> => fc.uint8Array({ maxLength }).map((array) => Buffer.from(array));
const headerName = fc.string().filter((name) => name !== '__proto__');
const record: fc.Arbitrary<Written> = fc.record({
  key: fc.option(bytes(20)),
  value: fc.option(bytes(200)),
  headers: fc.dictionary(headerName, fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('1', 'é')), {
    maxKeys: 10,
    noNullPrototype: true,
  }),
  timestampDelta: fc.integer({ min: -(2 ** 33), max: 2 ** 33 }),
});
const records = fc.array(record, { minLength: 1, maxLength: 80 });

describe('reading record batches', () => {
  it('gives what kafkajs wrote, compressed or not', async () => {
    const property = fc.asyncProperty(
      fc.array(records, { maxLength: 3 }),
      fc.nat(2 ** 31),
      fc.constantFrom(0, 1),
      async (all, first, compression) => {
        let offset = first;
        const batches: Buffer[] = [];
        const expected: object[] = [];
        for (const batch of all) {
          batches.push(await theirBatch(offset, batch, { compression }));
          for (const { timestampDelta, ...each } of batch)
            expected.push({ ...place, ...each, offset: offset++, timestampMs: FIRST_MS + timestampDelta });
        }
        const answer = await readBatches(Buffer.concat(batches), place, []);
        expect(answer).toEqual({ records: expected, nextOffset: all.length === 0 ? null : offset });
      },
    );
    await fc.assert(property, { numRuns: 150 });
  });

  it('gives what we wrote', async () => {
    const property = fc.asyncProperty(records, async (written) => {
      const encoded = written.map(({ key, value, headers }) => ({ key, value, headers: encodeHeaders(headers) }));
      const body = encodeProduceBody(-1, 1, [{ topic: 't', partition: 3, records: encoded }], FIRST_MS);
      const answer = await readBatches(body.subarray(12 + 3 + 12), place, []);
      const expected = written.map(({ key, value, headers }, offset) => ({ ...place, key, value, headers, offset, timestampMs: FIRST_MS }));
      expect(answer).toEqual({ records: expected, nextOffset: written.length });
    });
    await fc.assert(property, { numRuns: 100 });
  });

  it('stops before a batch that is cut off, wherever it is cut', async () => {
    const [first, second] = [await theirBatch(5, [plain('a'), plain('b')]), await theirBatch(7, [plain('c')])];
    const both = Buffer.concat([first, second]);
    for (let end = first.length; end < both.length; end++) {
      const { records: got, nextOffset } = await readBatches(both.subarray(0, end), place, []);
      expect([got.length, nextOffset]).toEqual([2, 7]);
    }
    expect(await readBatches(both.subarray(0, first.length - 1), place, [])).toEqual({ records: [], nextOffset: null });
  });

  it('a batch whose numbers make no sense is an error and no endless loop', async () => {
    const batch = await theirBatch(0, [plain('a')]);
    batch.writeInt32BE(-12, 8);
    await expect(readBatches(batch, place, [])).rejects.toThrow('shorter than its header');
    const record = await theirBatch(0, [plain('a')]);
    record[66] = 0x7e; // the length of the value
    await expect(readBatches(record, place, [])).rejects.toThrow(RangeError);
  });

  it('takes the time of the broker where the topic has it', async () => {
    const batch = await theirBatch(0, [plain('a')], { attributes: APPEND_TIME });
    expect((await readBatches(batch, place, [])).records[0]?.timestampMs).toBe(FIRST_MS + 99);
  });

  it('leaves out aborted transactions and markers, and passes over them', async () => {
    const tx = { producerId: 7, transactional: true };
    const log = Buffer.concat([
      await theirBatch(0, [plain('before')], tx),
      await theirBatch(1, [marker(1)], { ...tx, attributes: CONTROL }),
      await theirBatch(2, [plain('aborted'), plain('aborted')], tx),
      await theirBatch(4, [plain('of another')], { ...tx, producerId: 8 }),
      await theirBatch(5, [plain('without transaction')]),
      await theirBatch(6, [marker(0)], { ...tx, attributes: CONTROL }),
      await theirBatch(7, [plain('after')], tx),
    ]);
    expect(await read(log, [{ producerId: 7n, firstOffset: 2 }])).toEqual(['before', 'of another', 'without transaction', 'after']);
    const marks = await theirBatch(9, [marker(0)], { ...tx, attributes: CONTROL });
    expect(await readBatches(marks, place, [])).toEqual({ records: [], nextOffset: 10 });
  });
});
