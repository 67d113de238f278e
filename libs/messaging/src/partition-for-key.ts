const SEED = 0x9747b28c;
const M = 0x5bd1e995;

const murmur2 = (data: Buffer): number => {
  const length = data.length;
  let h = SEED ^ length;
  const words = length >> 2;
  for (let i = 0; i < words; i++) {
    let k = Math.imul(data.readInt32LE(i << 2), M);
    k ^= k >>> 24;
    h = Math.imul(h, M) ^ Math.imul(k, M);
  }
  const tail = words << 2;
  const rest = length & 3;
  if (rest >= 3) h ^= data.readUInt8(tail + 2) << 16;
  if (rest >= 2) h ^= data.readUInt8(tail + 1) << 8;
  if (rest >= 1) {
    h ^= data.readUInt8(tail);
    h = Math.imul(h, M);
  }
  h ^= h >>> 13;
  h = Math.imul(h, M);
  return h ^ (h >>> 15);
};

/** The partition of a key, the same that Kafka's Java client and kafkajs choose. */
export const partitionForKey = (key: string | Buffer, partitions: number): number =>
  (murmur2(typeof key === 'string' ? Buffer.from(key) : key) & 0x7fffffff) % partitions;
