import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type AssignmentUnit, assignPartitions } from './assign-partitions.js';

const TOPIC = 'topic';
const unitsOf = (count: number): AssignmentUnit[] => Array.from({ length: count }, (_, partition) => ({ topics: [TOPIC], partition }));
const ownedBy = (owners: readonly number[], id: number) =>
  owners.flatMap((owner, partition) => (owner === id ? [{ topic: TOPIC, partition }] : []));

const sorted = ([id, units]: [number, AssignmentUnit[]]) => [id, units.map(({ partition }) => partition).sort((a, b) => a - b)];

/** Partitions with an owner each; owners from 0 to 5, of which only the first `members` are still there. */
const situation = fc.record({
  owners: fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 40 }),
  members: fc.integer({ min: 1, max: 6 }),
});

const assign = ({ owners, members }: { owners: readonly number[]; members: number }) =>
  assignPartitions(
    Array.from({ length: members }, (_, id) => ({ id, topics: [TOPIC], owned: ownedBy(owners, id) })),
    unitsOf(owners.length),
  );

describe('assignPartitions', () => {
  it('gives every partition to one member, evenly', () => {
    fc.assert(
      fc.property(situation, ({ owners, members }) => {
        const assignment = [...assign({ owners, members }).values()];
        const partitions = assignment.flat().map(({ partition }) => partition);
        expect(partitions.sort((a, b) => a - b)).toEqual(owners.map((_, partition) => partition));
        const loads = assignment.map(({ length }) => length);
        expect(Math.max(...loads) - Math.min(...loads)).toBeLessThanOrEqual(1);
      }),
    );
  });

  it('moves no more than an even share demands', () => {
    fc.assert(
      fc.property(situation, ({ owners, members }) => {
        const kept = [...assign({ owners, members })].map(
          ([id, units]) => units.filter(({ partition }) => owners[partition] === id).length,
        );
        const shares = Array.from({ length: members }, (_, id) => ownedBy(owners, id).length);
        const even = Math.floor(owners.length / members);
        const larger = owners.length % members;
        const above = shares.filter((share) => share > even).length;
        const mostKept = shares.reduce((sum, share) => sum + Math.min(share, even), 0) + Math.min(above, larger);
        expect(kept.reduce((sum, count) => sum + count, 0)).toBe(mostKept);
      }),
    );
  });

  it('changes nothing when it is asked again', () => {
    fc.assert(
      fc.property(situation, ({ owners, members }) => {
        const first = assign({ owners, members });
        const now = owners.map(
          (_, partition) => [...first].find(([, units]) => units.some((unit) => unit.partition === partition))?.[0] ?? -1,
        );
        expect([...assign({ owners: now, members })].map(sorted)).toEqual([...first].map(sorted));
      }),
    );
  });

  it('gives a topic to those who read it', () => {
    const members = [
      { id: 'both', topics: ['a', 'b'], owned: [] },
      { id: 'one', topics: ['a'], owned: [] },
    ];
    const assignment = assignPartitions(members, [
      { topics: ['b'], partition: 0 },
      { topics: ['b'], partition: 1 },
      { topics: ['a'], partition: 0 },
    ]);
    expect(assignment.get('one')).toEqual([{ topics: ['a'], partition: 0 }]);
    expect(assignment.get('both')).toHaveLength(2);
  });
});
