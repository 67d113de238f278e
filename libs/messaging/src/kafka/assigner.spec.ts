import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { assign, type Assignment, type Subscriber, type Subscription } from './assigner.js';

const fresh = (memberId: string, topics: readonly string[]): Subscriber => ({ memberId, topics, owned: [], generation: -1 });

const again = (assignment: Assignment, memberId: string, topics: readonly string[], generation: number): Subscriber => ({
  memberId,
  topics,
  owned: assignment.get(memberId) ?? [],
  generation,
});

const sizes = (assignment: Assignment): number[] => [...assignment.values()].map((own) => own.length);
const flat = (assignment: Assignment): string[] => [...assignment.values()].flat().map(({ topic, partition }) => `${topic}/${partition}`);
const ofTopic = (assignment: Assignment, memberId: string, topic: string): number[] =>
  assignment
    .get(memberId)!
    .filter((own) => own.topic === topic)
    .map(({ partition }) => partition)
    .sort((a, b) => a - b);

const two: Subscription = { partitions: new Map([['a', 6], ['b', 6]]), coPartitioned: true }; // prettier-ignore

describe('assign', () => {
  it('gives partition i of all topics to one member where they are co-partitioned', () => {
    const assignment = assign([fresh('x', ['a', 'b']), fresh('y', ['a', 'b'])], two);
    for (const member of ['x', 'y']) expect(ofTopic(assignment, member, 'a')).toEqual(ofTopic(assignment, member, 'b'));
    expect(flat(assignment)).toHaveLength(12);
  });

  it('moves only the share of a member that joins', () => {
    const topics = ['a', 'b'];
    const alone = assign([fresh('x', topics)], two);
    const joined = assign([again(alone, 'x', topics, 1), fresh('y', topics)], two);
    expect(ofTopic(joined, 'x', 'a')).toEqual([0, 1, 2]);
    expect(ofTopic(joined, 'y', 'a')).toEqual([3, 4, 5]);
  });

  it('believes the later generation where two members name the same partition', () => {
    const one: Subscription = { partitions: new Map([['a', 1]]), coPartitioned: false };
    const owned = [{ topic: 'a', partition: 0 }];
    const assignment = assign(
      [
        { memberId: 'x', topics: ['a'], owned, generation: 3 },
        { memberId: 'y', topics: ['a'], owned, generation: 5 },
      ],
      one,
    );
    expect(assignment.get('y')).toEqual(owned);
  });

  it('gives nothing of a topic to a member that does not subscribe to it', () => {
    const assignment = assign([fresh('old', ['a']), fresh('new', ['a', 'b'])], two);
    expect(assignment.get('old')).toEqual([]);
    expect(flat(assignment)).toHaveLength(12);
  });

  it('hands out everything once, balanced within one unit, alike in any order of the members, and keeps all it can', () => {
    const scenario = fc.record({
      partitions: fc.integer({ min: 1, max: 24 }),
      topics: fc.integer({ min: 1, max: 3 }),
      before: fc.uniqueArray(fc.integer({ min: 0, max: 20 }), { minLength: 1, maxLength: 8 }),
      after: fc.uniqueArray(fc.integer({ min: 0, max: 20 }), { minLength: 1, maxLength: 8 }),
      coPartitioned: fc.boolean(),
    });
    fc.assert(
      fc.property(scenario, ({ partitions, topics, before, after, coPartitioned }) => {
        const names = Array.from({ length: topics }, (_, i) => `t${i}`);
        const subscription: Subscription = { partitions: new Map(names.map((name) => [name, partitions])), coPartitioned };
        const first = assign(before.map((id) => fresh(`m${id}`, names)), subscription); // prettier-ignore
        const members = after.map((id) => again(first, `m${id}`, names, 1));
        const second = assign(members, subscription);
        const weight = coPartitioned ? topics : 1;

        expect(new Set(flat(second)).size).toBe(partitions * topics);
        expect(flat(second)).toHaveLength(partitions * topics);
        expect(Math.max(...sizes(second)) - Math.min(...sizes(second))).toBeLessThanOrEqual(weight);
        expect(assign([...members].reverse(), subscription)).toEqual(second);

        const floor = Math.floor((partitions * topics) / weight / after.length) * weight;
        for (const { memberId, owned } of members) {
          const kept = owned.filter((own) =>
            second.get(memberId)!.some(({ topic, partition }) => topic === own.topic && partition === own.partition),
          );
          expect(kept.length).toBeGreaterThanOrEqual(Math.min(owned.length, floor));
        }
      }),
    );
  });
});
