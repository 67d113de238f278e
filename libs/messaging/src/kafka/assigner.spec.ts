import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { assign, type Assignment, type Subscriber, type Subscription, withoutTransfers } from './assigner.js';

const fresh = (memberId: string, topics: readonly string[]): Subscriber => ({
  memberId,
  topics,
  owned: [],
  generation: -1,
  letsGoLater: true,
});

const again = (assignment: Assignment, memberId: string, topics: readonly string[], generation: number): Subscriber => ({
  memberId,
  topics,
  owned: assignment.get(memberId) ?? [],
  letsGoLater: true,
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
        { memberId: 'x', topics: ['a'], owned, generation: 3, letsGoLater: true },
        { memberId: 'y', topics: ['a'], owned, generation: 5, letsGoLater: true },
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

describe('an assignment without transfers', () => {
  const topics = ['a'];
  const six: Subscription = { partitions: new Map([['a', 6]]), coPartitioned: false };
  const membersAfter = (assignment: Assignment, joins: readonly Subscriber[], of: Partial<Subscriber> = {}): Subscriber[] => [
    ...[...assignment.keys()].map((memberId) => ({ ...again(assignment, memberId, topics, 1), ...of })),
    ...joins,
  ];

  it('gives a partition to nobody while its owner runs it, and to the next one once that has let go', () => {
    const alone = assign([fresh('x', topics)], six);
    const members = membersAfter(alone, [fresh('y', topics)]);
    const first = withoutTransfers(assign(members, six), members, six);
    expect([ofTopic(first, 'x', 'a'), ofTopic(first, 'y', 'a')]).toEqual([[0, 1, 2], []]);
    const later = membersAfter(first, []);
    const second = withoutTransfers(assign(later, six), later, six);
    expect([ofTopic(second, 'x', 'a'), ofTopic(second, 'y', 'a')]).toEqual([[0, 1, 2], [3, 4, 5]]); // prettier-ignore
  });

  it('gives at once what a member of an earlier release had, which let go before it came', () => {
    const alone = assign([fresh('x', topics)], six);
    const members = membersAfter(alone, [fresh('y', topics)], { letsGoLater: false });
    expect(ofTopic(withoutTransfers(assign(members, six), members, six), 'y', 'a')).toEqual([3, 4, 5]);
  });

  it('splits no partition that goes together, as when a release reads one topic more', () => {
    const subscription: Subscription = { partitions: new Map([['a', 2], ['b', 2]]), coPartitioned: true }; // prettier-ignore
    const owned = [0, 1].map((partition) => ({ topic: 'b', partition }));
    const members = [{ ...fresh('x', ['b']), owned, generation: 1 }, fresh('y', ['a', 'b'])];
    expect(withoutTransfers(assign(members, subscription), members, subscription).get('y')).toEqual([]);
  });

  it('never gives what another owns, and gives everything within two more joins, whoever comes and goes', () => {
    const changes = fc.array(fc.uniqueArray(fc.integer({ min: 0, max: 8 }), { minLength: 1, maxLength: 6 }), {
      minLength: 1,
      maxLength: 5,
    });
    fc.assert(
      fc.property(changes, (groups) => {
        let owned = new Map<string, Subscriber['owned']>();
        let generation = 0;
        const join = (ids: readonly number[]): void => {
          const members = ids.map((id): Subscriber => {
            const memberId = `m${id}`;
            const owns = owned.get(memberId) ?? [];
            return { memberId, topics, owned: owns, generation: owns.length > 0 ? generation : -1, letsGoLater: true };
          });
          const given = withoutTransfers(assign(members, six), members, six);
          for (const { memberId, owned: own } of members)
            for (const [other, theirs] of given)
              if (other !== memberId)
                for (const { partition } of own) expect(theirs.map((each) => each.partition)).not.toContain(partition);
          owned = new Map(given);
          generation++;
        };
        for (const ids of groups) {
          join(ids);
          join(ids);
          join(ids);
          expect(flat(owned)).toHaveLength(6);
        }
      }),
    );
  });
});
