import { crc32 } from 'node:zlib';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { decodeOffsetMetadata, encodeOffsetMetadata, NOTHING_KNOWN, type OffsetProgress, type Suspect } from './offset-metadata.js';
import { appendRange } from './offset-ranges.js';

const encode = (...of: Parameters<typeof encodeOffsetMetadata>): string => encodeOffsetMetadata(...of).metadata;

const PLACE = { topic: 'work', partition: 3 };

const offsets = fc.oneof(
  fc.nat({ max: 1_000 }),
  fc.maxSafeNat().map((offset) => Math.floor(offset / 2)),
);

const rangesAbove = (offset: number, steps: readonly (readonly [number, number])[]): number[] => {
  const ranges: number[] = [];
  let end = offset;
  for (const [gap, length] of steps) {
    appendRange(ranges, end + gap, end + gap + length);
    end += gap + length;
  }
  return ranges;
};

const only = (completed: readonly number[]): OffsetProgress => ({ ...NOTHING_KNOWN, completed });

const suspectsAbove = (offset: number, gaps: readonly (readonly [number, number, boolean])[]): Suspect[] => {
  let at = offset;
  return gaps.map(([gap, deaths, announced]) => ({ offset: (at += gap), deaths, announced }));
};

const steps = (lengthMax: number, runMax: number) =>
  fc.array(fc.tuple(fc.integer({ min: 1, max: runMax }), fc.integer({ min: 1, max: runMax })), { maxLength: lengthMax, size: 'max' });

const gaps = (lengthMax: number) =>
  fc.array(fc.tuple(fc.nat({ max: 300 }), fc.nat({ max: 3 }), fc.boolean()), { maxLength: lengthMax, size: 'max' });

describe('offset metadata', () => {
  it('brings back who may have killed a process, beside the completed ranges', () => {
    fc.assert(
      fc.property(offsets, fc.boolean(), gaps(200), steps(20, 100), (offset, isOpen, suspected, runs) => {
        const progress = { isOpen, suspects: suspectsAbove(offset, suspected), completed: rangesAbove(offset, runs) };
        expect(decodeOffsetMetadata(PLACE, offset, encode(PLACE, offset, progress))).toEqual(progress);
      }),
    );
  });

  it('brings back the completed ranges it was given, wherever in the log', () => {
    fc.assert(
      fc.property(offsets, steps(60, 100_000), (offset, runs) => {
        const ranges = rangesAbove(offset, runs);
        expect(decodeOffsetMetadata(PLACE, offset, encode(PLACE, offset, only(ranges)))).toEqual(only(ranges));
      }),
    );
  });

  const mixed = (gap: number, length: number, offsetsMax: number): number[] =>
    rangesAbove(
      7,
      Array.from({ length: offsetsMax / (gap + length) }, () => [gap, length] as const),
    );

  it('holds a finely mixed window of 20,000 offsets', () => {
    const ranges = mixed(1, 1, 20_000);
    expect(decodeOffsetMetadata(PLACE, 7, encode(PLACE, 7, only(ranges)))).toEqual(only(ranges));
  });

  it.each([
    [1, 1],
    [1, 7],
    [1, 19],
    [1, 300],
  ])('says that it is crowded long before it leaves something out: %i not done, %i done, and so on', (gap, length) => {
    let offsetsMax = 100;
    while (!encodeOffsetMetadata(PLACE, 7, only(mixed(gap, length, offsetsMax))).isCrowded) offsetsMax += 100;
    const further = mixed(gap, length, 1.8 * offsetsMax);
    expect(decodeOffsetMetadata(PLACE, 7, encode(PLACE, 7, only(further)))).toEqual(only(further));
  });

  it('never exceeds 4,096 ASCII characters and never claims an offset that is not completed', () => {
    fc.assert(
      fc.property(offsets, steps(3_000, 40), gaps(400), (offset, runs, suspects) => {
        const ranges = rangesAbove(offset, runs);
        const completed = new Set<number>();
        for (let i = 0; i < ranges.length; i += 2) for (let at = ranges[i]!; at < ranges[i + 1]!; at++) completed.add(at);
        const text = encode(PLACE, offset, { isOpen: true, suspects: suspectsAbove(offset, suspects), completed: ranges });
        expect(text).toMatch(/^[\x20-\x7e]{0,4096}$/);
        const { completed: decoded } = decodeOffsetMetadata(PLACE, offset, text);
        for (let i = 0; i < decoded.length; i += 2) {
          for (let at = decoded[i]!; at < decoded[i + 1]!; at++) if (!completed.has(at)) throw new Error(`${at} is not completed`);
        }
      }),
      { numRuns: 30 },
    );
  });

  it('leaves out suspects that lie below the offset, since retention took them, and says the rest right', () => {
    const suspects = [2, 3, 28].map((offset) => ({ offset, deaths: 1, announced: true }));
    const written = encode(PLACE, 26, { isOpen: true, suspects, completed: [30, 31] });
    expect(decodeOffsetMetadata(PLACE, 26, written)).toEqual({ isOpen: true, suspects: suspects.slice(2), completed: [30, 31] });
  });

  it('is empty when there is nothing to say', () => {
    expect(encode(PLACE, 12, NOTHING_KNOWN)).toBe('');
    expect(decodeOffsetMetadata(PLACE, 12, '')).toEqual(NOTHING_KNOWN);
  });

  it('counts as empty when it belongs to another offset', () => {
    expect(decodeOffsetMetadata(PLACE, 11, encode(PLACE, 10, only([12, 15])))).toEqual(NOTHING_KNOWN);
  });

  it('counts as empty when it belongs to another partition or another topic', () => {
    const text = encode(PLACE, 10, only([12, 15]));
    expect(decodeOffsetMetadata({ topic: 'work', partition: 4 }, 10, text)).toEqual(NOTHING_KNOWN);
    expect(decodeOffsetMetadata({ topic: 'other', partition: 3 }, 10, text)).toEqual(NOTHING_KNOWN);
  });

  it('counts as empty when it was written by an older or a newer version', () => {
    const written = Buffer.from(encode(PLACE, 10, only([12, 15])), 'base64');
    const ofVersion = (version: number): string => {
      const bytes = Buffer.from(written);
      bytes[1] = version;
      bytes.writeUInt32BE(crc32(bytes.subarray(0, -4), crc32('work/3@10')), bytes.length - 4);
      return bytes.toString('base64');
    };
    expect(decodeOffsetMetadata(PLACE, 10, ofVersion(written[1]!)).completed).toEqual([12, 15]);
    for (const version of [0, 1, 3, 255]) expect(decodeOffsetMetadata(PLACE, 10, ofVersion(version))).toEqual(NOTHING_KNOWN);
  });

  it('counts as empty when it is foreign', () => {
    const ours = encode(PLACE, 3, only([4, 9]));
    const headed = fc
      .uint8Array({ maxLength: 4_000, size: 'max' })
      .map((bytes) => Buffer.concat([Buffer.from(ours, 'base64').subarray(0, 3), bytes]).toString('base64'));
    fc.assert(fc.property(fc.oneof(fc.string(), headed), (text) => expect(decodeOffsetMetadata(PLACE, 3, text)).toEqual(NOTHING_KNOWN)));
  });

  it('counts as empty when any character of it was changed', () => {
    const text = encode(PLACE, 10, only([12, 15, 20, 4_000]));
    fc.assert(
      fc.property(fc.nat({ max: text.length - 3 }), fc.constantFrom('A', 'z', '0', '/'), (at, character) => {
        fc.pre(text[at] !== character);
        expect(decodeOffsetMetadata(PLACE, 10, text.slice(0, at) + character + text.slice(at + 1))).toEqual(NOTHING_KNOWN);
      }),
    );
  });
});
