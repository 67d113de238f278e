import type { TopicPartition } from '../log.js';

export interface Subscriber {
  readonly memberId: string;
  readonly topics: readonly string[];
  /** What the member says it owned, and in which generation: of two that name the same partition the later one is right. */
  readonly owned: readonly TopicPartition[];
  readonly generation: number;
  /** Runs what it owns until it is told that it goes to others; one that does not has let go of everything before it came. */
  readonly letsGoLater: boolean;
}

export interface Subscription {
  readonly partitions: ReadonlyMap<string, number>;
  /** Partition i of every topic goes to the same member. */
  readonly coPartitioned: boolean;
}

export type Assignment = ReadonlyMap<string, readonly TopicPartition[]>;

/** What is handed out together: one partition, or partition i of all topics. */
type Unit = readonly TopicPartition[];

const byId = (one: { memberId: string }, other: { memberId: string }): number => (one.memberId < other.memberId ? -1 : 1);

const unitsOf = ({ partitions, coPartitioned }: Subscription): readonly Unit[] => {
  const topics = [...partitions.keys()].sort();
  if (!coPartitioned)
    return topics.flatMap((topic) => Array.from({ length: partitions.get(topic)! }, (_, partition) => [{ topic, partition }]));
  const count = Math.max(0, ...partitions.values());
  return Array.from({ length: count }, (_, partition) => topics.map((topic) => ({ topic, partition })));
};

const previousOwner = (members: readonly Subscriber[], { topic, partition }: TopicPartition): Subscriber | undefined =>
  members
    .filter(({ owned }) => owned.some((claim) => claim.topic === topic && claim.partition === partition))
    .reduce<
      Subscriber | undefined
    >((latest, member) => (latest === undefined || member.generation > latest.generation ? member : latest), undefined);

/**
 * Sticky assignment: everybody gets the same number of units, give or take one; who had a unit keeps it within that, so that adding
 * a member moves only its share; ties go by member id, so that every leader decides alike.
 */
export function assign(members: readonly Subscriber[], subscription: Subscription): Assignment {
  const sorted = [...members].sort(byId);
  const units = unitsOf(subscription);
  const given = new Map<string, Unit[]>(sorted.map(({ memberId }) => [memberId, []]));
  const subscribes = (member: Subscriber, unit: Unit): boolean => unit.every(({ topic }) => member.topics.includes(topic));

  const claims = new Map<string, Unit[]>();
  const unclaimed: Unit[] = [];
  for (const unit of units) {
    const owner = previousOwner(sorted, unit[0]!);
    if (owner !== undefined && subscribes(owner, unit)) claims.set(owner.memberId, [...(claims.get(owner.memberId) ?? []), unit]);
    else unclaimed.push(unit);
  }

  const floor = Math.floor(units.length / sorted.length);
  let extra = units.length % sorted.length;
  for (const { memberId } of sorted) {
    const claimed = claims.get(memberId) ?? [];
    const keeps = claimed.length > floor && extra > 0 ? floor + 1 : Math.min(floor, claimed.length);
    if (keeps > floor) extra--;
    given.get(memberId)!.push(...claimed.slice(0, keeps));
    unclaimed.push(...claimed.slice(keeps));
  }

  for (const unit of unclaimed) {
    const takers = sorted.filter((member) => subscribes(member, unit));
    const least = takers.reduce<Subscriber | undefined>(
      (best, member) => (best === undefined || given.get(member.memberId)!.length < given.get(best.memberId)!.length ? member : best),
      undefined,
    );
    if (least !== undefined) given.get(least.memberId)!.push(unit);
  }
  return new Map([...given].map(([memberId, own]) => [memberId, own.flat()]));
}

/**
 * Leaves out what another member still runs: that one learns from its own part that it is to let go, and comes again once it has. So a
 * partition is never two members' at once, and nobody stands still for it.
 */
export function withoutTransfers(
  assignment: Assignment,
  members: readonly Subscriber[],
  { coPartitioned }: Pick<Subscription, 'coPartitioned'>,
): Assignment {
  const sorted = [...members].sort(byId);
  const isFree =
    (memberId: string) =>
    (partition: TopicPartition): boolean => {
      const owner = previousOwner(sorted, partition);
      return owner === undefined || owner.memberId === memberId || !owner.letsGoLater;
    };
  return new Map(
    [...assignment].map(([memberId, own]) => {
      if (!coPartitioned) return [memberId, own.filter(isFree(memberId))];
      const held = new Set(own.filter((each) => !isFree(memberId)(each)).map(({ partition }) => partition));
      return [memberId, own.filter(({ partition }) => !held.has(partition))];
    }),
  );
}
