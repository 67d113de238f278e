import { randomUUID } from 'node:crypto';
import { afterEach, expect, it } from '@jest/globals';
import { describeOnKafka, eventually, RecordingMember } from '@cf/testing';
import { KafkaFixture, topicSpec } from './kafka-fixture.js';

const PARTITIONS = 12;
const MEMBERS = 4;

describeOnKafka('a group on Kafka that is scaled', () => {
  let kafka: KafkaFixture;

  afterEach(() => kafka.close());

  it('moves about 1/N of the partitions when the N-th member joins, only those of one that leaves, and keeps the topics together', async () => {
    kafka = new KafkaFixture();
    const log = await kafka.log();
    const topics = ['requests', 'results'].map((name) => topicSpec({ name: `${name}-${randomUUID()}`, partitions: PARTITIONS }));
    await log.ensureTopics(topics);
    const options = { topics: topics.map(({ name }) => name), group: `group-${randomUUID()}`, coPartitioned: true };
    const members: RecordingMember[] = [];

    /** Which member has partition i, of both topics. */
    const owners = (): (number | undefined)[] =>
      Array.from({ length: PARTITIONS }, (_, partition) => {
        const own = topics.map(({ name }) =>
          members.findIndex(({ member }) => member.assignment().some((each) => each.topic === name && each.partition === partition)),
        );
        return own[0] === own[1] && own[0] !== -1 ? own[0] : undefined;
      });
    const balanced = async (count: number): Promise<(number | undefined)[]> => {
      await eventually(() => {
        const sizes = members.map(({ member }) => member.assignment().length).filter((size) => size > 0);
        expect(sizes).toHaveLength(count);
        expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(topics.length);
        expect(owners()).not.toContain(undefined);
      }, 30_000);
      return owners();
    };
    const moved = (before: readonly unknown[], after: readonly unknown[]): number =>
      after.filter((owner, at) => owner !== before[at]).length;

    let before: (number | undefined)[] = [];
    for (let count = 1; count <= MEMBERS; count++) {
      members.push(await RecordingMember.join(log, options));
      const after = await balanced(count);
      if (count > 1) expect(moved(before, after)).toBe(PARTITIONS / count);
      before = after;
    }

    const [leaving] = members;
    const had = before.filter((owner) => owner === 0).length;
    await leaving!.member.leave();
    expect(moved(before, await balanced(MEMBERS - 1))).toBe(had);
    expect(members.flatMap(({ failures }) => failures)).toEqual([]);
  });
});
