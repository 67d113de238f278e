/// <reference types="jest" />
import { randomUUID } from 'node:crypto';
import { eventually } from './eventually.js';
import type { DescribeTest } from './log-fixture.js';
import { numbered, publishAll } from './log-fixture.js';
import { RecordingMember } from './recording-member.js';

const strings = (from: number, until: number): string[] => Array.from({ length: until - from }, (_, index) => String(from + index));

export const describeGroups = (test: DescribeTest): void => {
  test('a new group gets every partition from its beginning, in offset order', async ({ log, topic }) => {
    const name = await topic({ partitions: 2 });
    await publishAll(await log(), [...numbered(name, 600, 0), ...numbered(name, 4, 1)]);
    const member = await RecordingMember.join(await log(), { topics: [name] });
    await member.got(604);
    expect(member.values(0)).toEqual(strings(0, 600));
    expect(member.values(1)).toEqual(strings(0, 4));
    expect(member.assignments).toHaveLength(2);
    expect(member.assignments.every(({ committedOffset, metadata }) => committedOffset === null && metadata === '')).toBe(true);
    expect(member.member.healthy()).toBe(true);
    await publishAll(await log(), numbered(name, 1, 1, 4));
    await member.got(605);
    await member.member.leave();
  });

  test('every group gets every record', async ({ log, topic }) => {
    const name = await topic();
    const members = await Promise.all([0, 1, 2].map(async () => RecordingMember.join(await log(), { topics: [name] })));
    await publishAll(await log(), numbered(name, 10));
    for (const member of members) {
      await member.got(10);
      expect(member.values()).toEqual(strings(0, 10));
      await member.member.leave();
    }
  });

  test('members share the partitions: each record reaches one of them', async ({ log, topic }) => {
    const name = await topic({ partitions: 4 });
    const group = `group-${randomUUID()}`;
    const first = await RecordingMember.join(await log(), { topics: [name], group });
    await first.owns(4);
    const second = await RecordingMember.join(await log(), { topics: [name], group });
    await Promise.all([first.owns(2), second.owns(2)]);
    expect([...first.ownedPartitions(), ...second.ownedPartitions()].sort()).toEqual(
      [0, 1, 2, 3].map((partition) => `${name} ${partition}`),
    );
    await publishAll(
      await log(),
      [0, 1, 2, 3].flatMap((partition) => numbered(name, 50, partition, partition * 50)),
    );
    await eventually(() => expect(first.delivered.length + second.delivered.length).toBeGreaterThanOrEqual(200));
    expect([...first.values(), ...second.values()].sort()).toEqual(strings(0, 200).sort());
    await Promise.all([first.member.leave(), second.member.leave()]);
  });

  test('co-partitioned topics go to one member together', async ({ log, topic }) => {
    const topics = [await topic({ partitions: 4 }), await topic({ partitions: 4 }), await topic({ partitions: 4 })];
    const group = `group-${randomUUID()}`;
    const first = await RecordingMember.join(await log(), { topics, group, coPartitioned: true });
    const second = await RecordingMember.join(await log(), { topics, group, coPartitioned: true });
    await Promise.all([first.owns(6), second.owns(6)]);
    for (const member of [first, second]) {
      const partitions = topics.map((topicName) =>
        member.member
          .assignment()
          .filter((owned) => owned.topic === topicName)
          .map(({ partition }) => partition)
          .sort(),
      );
      expect(partitions[0]).toHaveLength(2);
      expect(partitions[1]).toEqual(partitions[0]);
      expect(partitions[2]).toEqual(partitions[0]);
    }
    await Promise.all([first.member.leave(), second.member.leave()]);
  });

  test('co-partitioned topics must have the same number of partitions', async ({ log, topic }) => {
    const topics = [await topic({ partitions: 2 }), await topic({ partitions: 3 })];
    await expect(RecordingMember.join(await log(), { topics, coPartitioned: true })).rejects.toThrow();
  });

  test('what a leaving member commits while it is revoked is where the next one begins', async ({ log, topic }) => {
    const name = await topic({ partitions: 2 });
    const group = `group-${randomUUID()}`;
    const leaver = await RecordingMember.join(await log(), { topics: [name], group, whileRevoking: (member) => member.commitDelivered() });
    await leaver.owns(2);
    await publishAll(await log(), [...numbered(name, 30, 0), ...numbered(name, 30, 1)]);
    await leaver.got(60);
    await leaver.member.leave();
    expect(leaver.revoked).toHaveLength(2);
    expect(await (await log()).committedOffsets(group, name)).toEqual([30, 30]);
    const next = await RecordingMember.join(await log(), { topics: [name], group });
    await next.owns(2);
    await publishAll(await log(), [...numbered(name, 5, 0, 30), ...numbered(name, 5, 1, 30)]);
    await next.got(10);
    expect(next.values().sort()).toEqual([...strings(30, 35), ...strings(30, 35)].sort());
    await next.member.leave();
  });

  test('a member that joins takes over where the other committed while revoking, and what stays goes on without repetition', async ({
    log,
    topic,
  }) => {
    const name = await topic({ partitions: 4 });
    const group = `group-${randomUUID()}`;
    const options = { topics: [name], group, whileRevoking: (member: RecordingMember) => member.commitDelivered() };
    const first = await RecordingMember.join(await log(), options);
    await first.owns(4);
    const publish = async (from: number): Promise<void> =>
      publishAll(
        await log(),
        [0, 1, 2, 3].flatMap((partition) => numbered(name, 20, partition, from)),
      );
    await publish(0);
    await first.got(80);
    const second = await RecordingMember.join(await log(), options);
    await Promise.all([first.owns(2), second.owns(2)]);
    await publish(20);
    await eventually(() => expect(first.delivered.length + second.delivered.length).toBeGreaterThanOrEqual(160));
    for (const partition of [0, 1, 2, 3]) expect([...first.values(partition), ...second.values(partition)]).toEqual(strings(0, 40));
    await second.member.leave();
    await first.owns(4);
    await publish(40);
    await eventually(() => expect(first.delivered.length + second.delivered.length).toBeGreaterThanOrEqual(240));
    for (const partition of [0, 1, 2, 3])
      expect(
        [...first.values(partition), ...second.values(partition)]
          .map(Number)
          .sort((a, b) => a - b)
          .map(String),
      ).toEqual(strings(0, 60));
    await first.member.leave();
  });

  test('a member that takes too long to let go is not waited for longer than its drain time', async ({ log, topic }) => {
    const name = await topic({ partitions: 2 });
    const group = `group-${randomUUID()}`;
    const stuck = await RecordingMember.join(await log(), {
      topics: [name],
      group,
      drainTimeoutMs: 300,
      whileRevoking: () => new Promise(() => undefined),
    });
    await stuck.owns(2);
    const other = await RecordingMember.join(await log(), { topics: [name], group });
    await Promise.all([stuck.owns(1), other.owns(1)]);
    await eventually(() => expect(stuck.lostPartitions.length).toBeGreaterThan(0));
    await Promise.all([stuck.member.leave(), other.member.leave()]);
  });

  test('a group goes on from its commits with their metadata, and gets again what it did not commit', async ({ log, reopened, topic }) => {
    const name = await topic({ partitions: 2 });
    const group = `group-${randomUUID()}`;
    const metadata = 'x'.repeat(4_096);
    const before = await RecordingMember.join(await log(), { topics: [name], group });
    await publishAll(await log(), [...numbered(name, 10, 0), ...numbered(name, 10, 1)]);
    await before.got(20);
    await before.commit(name, 0, 7, metadata);
    await before.member.leave();
    const fresh = await reopened();
    expect(await fresh.committedOffsets(group, name)).toEqual([7, null]);
    const after = await RecordingMember.join(fresh, { topics: [name], group });
    await after.got(13);
    expect(after.values(0)).toEqual(strings(7, 10));
    expect(after.values(1)).toEqual(strings(0, 10));
    expect(after.assignments.find(({ partition }) => partition === 0)).toMatchObject({ committedOffset: 7, metadata });
    expect(after.assignments.find(({ partition }) => partition === 1)).toMatchObject({ committedOffset: null, metadata: '' });
    await after.member.leave();
  });

  test('a commit for a partition that is not owned changes nothing', async ({ log, topic }) => {
    const name = await topic({ partitions: 2 });
    const group = `group-${randomUUID()}`;
    const first = await RecordingMember.join(await log(), { topics: [name], group });
    await publishAll(await log(), [...numbered(name, 5, 0), ...numbered(name, 5, 1)]);
    await first.got(10);
    const second = await RecordingMember.join(await log(), { topics: [name], group });
    await Promise.all([first.owns(1), second.owns(1)]);
    const [own] = first.member.assignment();
    await first.member.commit([0, 1].map((partition) => ({ topic: name, partition, offset: 3 })));
    expect(await (await log()).committedOffsets(group, name)).toEqual([0, 1].map((partition) => (partition === own?.partition ? 3 : null)));
    await Promise.all([first.member.leave(), second.member.leave()]);
  });

  test('a paused partition delivers nothing until it is resumed, the others go on', async ({ log, topic }) => {
    const name = await topic({ partitions: 2 });
    const member = await RecordingMember.join(await log(), { topics: [name] });
    await member.owns(2);
    member.member.pause([{ topic: name, partition: 0 }]);
    await publishAll(await log(), [...numbered(name, 20, 0), ...numbered(name, 20, 1)]);
    await eventually(() => expect(member.values(1)).toEqual(strings(0, 20)));
    expect(member.values(0)).toEqual([]);
    member.member.resume([{ topic: name, partition: 0 }]);
    await eventually(() => expect(member.values(0)).toEqual(strings(0, 20)));
    await member.member.leave();
  });
};
