import type { TopicPartition } from '../log.js';

/** Partitions that go to one member together: partition i of every topic, or a single one. */
export interface AssignmentUnit {
  readonly topics: readonly string[];
  readonly partition: number;
}

export interface AssignableMember<Id> {
  readonly id: Id;
  readonly topics: readonly string[];
  readonly owned: readonly TopicPartition[];
}

const owns = <Id>(member: AssignableMember<Id>, unit: AssignmentUnit): boolean =>
  member.owned.some(({ topic, partition }) => partition === unit.partition && unit.topics.includes(topic));

const reads = <Id>(member: AssignableMember<Id>, unit: AssignmentUnit): boolean =>
  unit.topics.every((topic) => member.topics.includes(topic));

/**
 * Shares units out evenly (counts differ by one at most when all members read the same topics) and moves as few as that allows.
 */
export const assignPartitions = <Id>(
  members: readonly AssignableMember<Id>[],
  units: readonly AssignmentUnit[],
): Map<Id, AssignmentUnit[]> => {
  const assignment = new Map<Id, AssignmentUnit[]>(members.map((member) => [member.id, []]));
  const loadOf = (member: AssignableMember<Id>): number => assignment.get(member.id)?.length ?? 0;
  const evenShare = Math.floor(units.length / Math.max(1, members.length));
  let largerShares = units.length - evenShare * members.length;

  const unowned = units.filter((unit) => {
    const owner = members.find((member) => owns(member, unit) && reads(member, unit));
    if (owner === undefined || loadOf(owner) > evenShare) return true;
    if (loadOf(owner) === evenShare && largerShares-- <= 0) return true;
    assignment.get(owner.id)?.push(unit);
    return false;
  });
  for (const unit of unowned) {
    const [leastLoaded] = members.filter((member) => reads(member, unit)).sort((a, b) => loadOf(a) - loadOf(b));
    if (leastLoaded !== undefined) assignment.get(leastLoaded.id)?.push(unit);
  }
  return assignment;
};
