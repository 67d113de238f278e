import { createRequire } from 'node:module';
import { describe, expect, it, jest } from '@jest/globals';
import fc from 'fast-check';
import { crc32c } from './crc32c.js';
import { encodeHeaders, encodeProduceBody } from './produce-request.js';

const require = createRequire(import.meta.url);
const theirCrc32c = require('kafkajs/src/protocol/recordBatch/crc32C') as (bytes: Buffer) => number;
const theirRequest = require('kafkajs/src/protocol/requests/produce/v7/request') as (options: object) => {
  encode(): Promise<{ buffer: Buffer }>;
};

const bytes = (maxLength: number): fc.Arbitrary<Buffer> => fc.uint8Array({ maxLength }).map((array) => Buffer.from(array));
const text = fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.stringMatching(/^[a-z0-9-]{60,70}$/));
const record = fc.record({
  key: fc.option(bytes(40)),
  value: fc.option(bytes(300)),
  // kafkajs reads a header named like a number first, as objects do; so do we.
  headers: fc.dictionary(text, text, { maxKeys: 8, noNullPrototype: true }),
});
const batch = fc.record({
  topic: fc.stringMatching(/^[a-z.]{1,20}$/),
  partition: fc.nat(100),
  records: fc.array(record, { minLength: 1, maxLength: 140 }),
});

describe('the body of a Produce request', () => {
  it('is byte for byte what kafkajs writes', async () => {
    const nowMs = 1_780_000_000_000;
    const now = jest.spyOn(Date, 'now').mockReturnValue(nowMs);
    try {
      const property = fc.asyncProperty(fc.array(batch, { maxLength: 4 }), fc.nat(60_000), async (batches, timeout) => {
        const topicData = batches.map(({ topic, partition, records }) => ({ topic, partitions: [{ partition, messages: records }] }));
        const theirs = (await theirRequest({ acks: -1, timeout, topicData }).encode()).buffer;
        const encoded = batches.map((each) => ({
          ...each,
          records: each.records.map(({ key, value, headers }) => ({ key, value, headers: encodeHeaders(headers) })),
        }));
        expect(encodeProduceBody(-1, timeout, encoded, nowMs).equals(theirs)).toBe(true);
      });
      await fc.assert(property, { numRuns: 200 });
    } finally {
      now.mockRestore();
    }
  });

  it('takes records of megabytes and headers beyond the scratch buffer', async () => {
    const headers = { large: 'é'.repeat(10_000), small: '1' };
    const value = Buffer.alloc(3_000_000, 'x');
    const messages = [{ key: null, value, headers }];
    const theirs = await theirRequest({
      acks: 1,
      timeout: 1,
      topicData: [{ topic: 't', partitions: [{ partition: 0, messages }] }],
    }).encode();
    const records = [{ key: null, value, headers: encodeHeaders(headers) }];
    const ours = encodeProduceBody(1, 1, [{ topic: 't', partition: 0, records }], 0);
    expect(ours.length).toBe(theirs.buffer.length);
    expect(ours.subarray(100).equals(theirs.buffer.subarray(100))).toBe(true);
  });
});

describe('CRC-32C', () => {
  it('has the check value of its catalogue entry', () => {
    expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
  });

  it('is that of kafkajs for any bytes, and for a part of them', () => {
    const property = fc.property(bytes(200), fc.nat(20), fc.nat(20), (all, from, cut) => {
      const to = Math.max(from, all.length - cut);
      expect(crc32c(all, Math.min(from, to), to)).toBe(theirCrc32c(all.subarray(Math.min(from, to), to)));
    });
    fc.assert(property);
  });
});
